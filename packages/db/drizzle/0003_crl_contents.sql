CREATE TABLE "responders" (
	"serial" text PRIMARY KEY NOT NULL,
	"issuer" text NOT NULL,
	"node" text NOT NULL,
	"fingerprint" text NOT NULL,
	"der" "bytea" NOT NULL,
	"not_before" timestamp with time zone NOT NULL,
	"not_after" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "crls" ADD COLUMN "entries" integer NOT NULL;--> statement-breakpoint
ALTER TABLE "crls" ADD COLUMN "base_number" bigint;--> statement-breakpoint
ALTER TABLE "crls" ADD COLUMN "base_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "responders" ADD CONSTRAINT "responders_issuer_issuers_name_fk" FOREIGN KEY ("issuer") REFERENCES "public"."issuers"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "responders_issuer_not_after_index" ON "responders" USING btree ("issuer","not_after");