CREATE TABLE "audit" (
	"seq" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp with time zone NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"fleet" text NOT NULL,
	"subject" text NOT NULL,
	"detail" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"request_id" text
);
--> statement-breakpoint
CREATE TABLE "certificates" (
	"serial" text PRIMARY KEY NOT NULL,
	"fleet" text NOT NULL,
	"device" text NOT NULL,
	"issuer" text NOT NULL,
	"fingerprint" text NOT NULL,
	"key_fingerprint" text NOT NULL,
	"der" "bytea" NOT NULL,
	"state" text NOT NULL,
	"not_before" timestamp with time zone NOT NULL,
	"not_after" timestamp with time zone NOT NULL,
	"revoked_at" timestamp with time zone,
	"revocation_reason" text,
	CONSTRAINT "certificates_state" CHECK (state in ('active', 'superseded', 'revoked')),
	CONSTRAINT "certificates_revoked" CHECK ((state = 'revoked') = (revoked_at is not null))
);
--> statement-breakpoint
CREATE TABLE "changes" (
	"seq" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "changes_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"kind" text NOT NULL,
	"fleet" text NOT NULL,
	"device" text NOT NULL,
	"reason" text,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"name" text PRIMARY KEY NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"lease_until" timestamp with time zone NOT NULL,
	"left_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "receipts" (
	"change" bigint NOT NULL,
	"node" text NOT NULL,
	"connections_closed" integer NOT NULL,
	"session_purged" boolean NOT NULL,
	"at" timestamp with time zone NOT NULL,
	CONSTRAINT "receipts_change_node_pk" PRIMARY KEY("change","node")
);
--> statement-breakpoint
CREATE TABLE "claim_keys" (
	"claim" text NOT NULL,
	"key_fingerprint" text NOT NULL,
	"fleet" text NOT NULL,
	"device" text NOT NULL,
	"bound_at" timestamp with time zone NOT NULL,
	CONSTRAINT "claim_keys_claim_key_fingerprint_pk" PRIMARY KEY("claim","key_fingerprint")
);
--> statement-breakpoint
CREATE TABLE "claims" (
	"id" text PRIMARY KEY NOT NULL,
	"secret_hash" "bytea" NOT NULL,
	"fleet" text NOT NULL,
	"group" text NOT NULL,
	"policy" text NOT NULL,
	"profile" text NOT NULL,
	"devices" text[],
	"uses" integer NOT NULL,
	"used" integer DEFAULT 0 NOT NULL,
	"approval" boolean DEFAULT false NOT NULL,
	"networks" text[],
	"label" text,
	"expires_at" timestamp with time zone,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "claims_uses" CHECK ("claims"."used" between 0 and "claims"."uses"),
	CONSTRAINT "claims_profile" CHECK (profile in ('device', 'service', 'server'))
);
--> statement-breakpoint
CREATE TABLE "devices" (
	"fleet" text NOT NULL,
	"id" text NOT NULL,
	"group" text NOT NULL,
	"policy" text NOT NULL,
	"profile" text NOT NULL,
	"state" text NOT NULL,
	"key_fingerprint" text NOT NULL,
	"attributes" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"enrolled_at" timestamp with time zone NOT NULL,
	"state_at" timestamp with time zone NOT NULL,
	"node" text,
	"connected_at" timestamp with time zone,
	"seen_at" timestamp with time zone,
	CONSTRAINT "devices_fleet_id_pk" PRIMARY KEY("fleet","id"),
	CONSTRAINT "devices_state" CHECK (state in ('pending', 'active', 'suspended', 'revoked', 'retired', 'rejected'))
);
--> statement-breakpoint
CREATE TABLE "fleets" (
	"name" text PRIMARY KEY NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "issuers" (
	"name" text PRIMARY KEY NOT NULL,
	"der" "bytea" NOT NULL,
	"fingerprint" text NOT NULL,
	"not_after" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "operator_tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"secret_hash" "bytea" NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "policies" (
	"fleet" text NOT NULL,
	"name" text NOT NULL,
	"document" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "policies_fleet_name_pk" PRIMARY KEY("fleet","name")
);
--> statement-breakpoint
CREATE TABLE "refusals" (
	"fleet" text NOT NULL,
	"device" text NOT NULL,
	"code" text NOT NULL,
	"address" text NOT NULL,
	"detail" text NOT NULL,
	"alert" boolean NOT NULL,
	"count" integer DEFAULT 1 NOT NULL,
	"first_at" timestamp with time zone NOT NULL,
	"last_at" timestamp with time zone NOT NULL,
	CONSTRAINT "refusals_fleet_device_code_address_pk" PRIMARY KEY("fleet","device","code","address")
);
--> statement-breakpoint
CREATE TABLE "telemetry" (
	"fleet" text NOT NULL,
	"device" text NOT NULL,
	"seq" bigint GENERATED ALWAYS AS IDENTITY (sequence name "telemetry_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"topic" text NOT NULL,
	"payload" "bytea" NOT NULL,
	"qos" smallint NOT NULL,
	"received_at" timestamp with time zone NOT NULL,
	CONSTRAINT "telemetry_fleet_device_seq_pk" PRIMARY KEY("fleet","device","seq")
);
--> statement-breakpoint
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_fleet_device_devices_fleet_id_fk" FOREIGN KEY ("fleet","device") REFERENCES "public"."devices"("fleet","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "receipts" ADD CONSTRAINT "receipts_change_changes_seq_fk" FOREIGN KEY ("change") REFERENCES "public"."changes"("seq") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "claim_keys" ADD CONSTRAINT "claim_keys_claim_claims_id_fk" FOREIGN KEY ("claim") REFERENCES "public"."claims"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "claim_keys" ADD CONSTRAINT "claim_keys_fleet_device_devices_fleet_id_fk" FOREIGN KEY ("fleet","device") REFERENCES "public"."devices"("fleet","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "claims" ADD CONSTRAINT "claims_fleet_fleets_name_fk" FOREIGN KEY ("fleet") REFERENCES "public"."fleets"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_fleet_fleets_name_fk" FOREIGN KEY ("fleet") REFERENCES "public"."fleets"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "policies" ADD CONSTRAINT "policies_fleet_fleets_name_fk" FOREIGN KEY ("fleet") REFERENCES "public"."fleets"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_fleet_subject_seq_index" ON "audit" USING btree ("fleet","subject","seq");--> statement-breakpoint
CREATE INDEX "certificates_fleet_device_not_before_index" ON "certificates" USING btree ("fleet","device","not_before");--> statement-breakpoint
CREATE INDEX "changes_fleet_device_seq_index" ON "changes" USING btree ("fleet","device","seq");--> statement-breakpoint
CREATE INDEX "claims_fleet_created_at_id_index" ON "claims" USING btree ("fleet","created_at","id");--> statement-breakpoint
CREATE INDEX "devices_fleet_state_id_index" ON "devices" USING btree ("fleet","state","id");--> statement-breakpoint
CREATE UNIQUE INDEX "devices_key" ON "devices" USING btree ("key_fingerprint") WHERE state <> 'retired';--> statement-breakpoint
CREATE INDEX "refusals_fleet_last_at_index" ON "refusals" USING btree ("fleet","last_at");