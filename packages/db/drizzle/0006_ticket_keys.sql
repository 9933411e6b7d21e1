CREATE TABLE "ticket_keys" (
	"period" integer PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ticket_members" (
	"node" text PRIMARY KEY NOT NULL,
	"public_key" "bytea" NOT NULL,
	"serial" text NOT NULL,
	"signature" "bytea" NOT NULL,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ticket_shares" (
	"key" text NOT NULL,
	"period" integer NOT NULL,
	"node" text NOT NULL,
	"recipient" "bytea" NOT NULL,
	"sender" "bytea" NOT NULL,
	"sealed" "bytea" NOT NULL,
	CONSTRAINT "ticket_shares_key_node_pk" PRIMARY KEY("key","node")
);
--> statement-breakpoint
CREATE INDEX "ticket_shares_period_index" ON "ticket_shares" USING btree ("period");