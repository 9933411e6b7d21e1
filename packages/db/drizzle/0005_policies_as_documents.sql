CREATE TABLE "groups" (
	"fleet" text NOT NULL,
	"name" text NOT NULL,
	"policy" text,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "groups_fleet_name_pk" PRIMARY KEY("fleet","name")
);
--> statement-breakpoint
CREATE TABLE "policy_versions" (
	"fleet" text NOT NULL,
	"name" text NOT NULL,
	"version" integer NOT NULL,
	"document" jsonb NOT NULL,
	"saved_by" text NOT NULL,
	"saved_at" timestamp with time zone NOT NULL,
	CONSTRAINT "policy_versions_fleet_name_version_pk" PRIMARY KEY("fleet","name","version")
);
--> statement-breakpoint
CREATE TABLE "preview_answers" (
	"preview" bigint NOT NULL,
	"node" text NOT NULL,
	"answer" jsonb NOT NULL,
	CONSTRAINT "preview_answers_preview_node_pk" PRIMARY KEY("preview","node")
);
--> statement-breakpoint
CREATE TABLE "previews" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "previews_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"proposal" jsonb NOT NULL,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "changes" ALTER COLUMN "device" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "claims" ALTER COLUMN "policy" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "devices" ALTER COLUMN "policy" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "changes" ADD COLUMN "group" text;--> statement-breakpoint
ALTER TABLE "changes" ADD COLUMN "policy" text;--> statement-breakpoint
ALTER TABLE "receipts" ADD COLUMN "sessions_changed" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "receipts" ADD COLUMN "subscriptions_cut" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "claim_policy" text;--> statement-breakpoint
ALTER TABLE "fleets" ADD COLUMN "policy" text;--> statement-breakpoint
ALTER TABLE "policies" ADD COLUMN "version" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "groups" ADD CONSTRAINT "groups_fleet_fleets_name_fk" FOREIGN KEY ("fleet") REFERENCES "public"."fleets"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "policy_versions" ADD CONSTRAINT "policy_versions_fleet_fleets_name_fk" FOREIGN KEY ("fleet") REFERENCES "public"."fleets"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "preview_answers" ADD CONSTRAINT "preview_answers_preview_previews_id_fk" FOREIGN KEY ("preview") REFERENCES "public"."previews"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "previews_at_index" ON "previews" USING btree ("at");--> statement-breakpoint
CREATE INDEX "devices_fleet_group_index" ON "devices" USING btree ("fleet","group");--> statement-breakpoint
INSERT INTO "policy_versions" SELECT "fleet", "name", 1, "document", 'migration', "created_at" FROM "policies";--> statement-breakpoint
-- A policy that was nobody's choice is left to groups and fleets from now on; what a claim named stays in force.
UPDATE "claims" SET "policy" = NULL WHERE "policy" = CASE "profile" WHEN 'device' THEN 'device' ELSE 'service' END;--> statement-breakpoint
UPDATE "devices" SET "policy" = NULL, "claim_policy" = nullif("policy", CASE "profile" WHEN 'device' THEN 'device' ELSE 'service' END);
