CREATE TABLE "crls" (
	"issuer" text NOT NULL,
	"shard" integer NOT NULL,
	"kind" text NOT NULL,
	"number" bigint NOT NULL,
	"der" "bytea" NOT NULL,
	"this_update" timestamp with time zone NOT NULL,
	"next_update" timestamp with time zone NOT NULL,
	CONSTRAINT "crls_issuer_shard_kind_pk" PRIMARY KEY("issuer","shard","kind")
);
--> statement-breakpoint
CREATE TABLE "issuer_trust" (
	"issuer" text NOT NULL,
	"node" text NOT NULL,
	"at" timestamp with time zone NOT NULL,
	CONSTRAINT "issuer_trust_issuer_node_pk" PRIMARY KEY("issuer","node")
);
--> statement-breakpoint
CREATE TABLE "renewal_requests" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "renewal_requests_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"fleet" text NOT NULL,
	"device" text NOT NULL,
	"node" text NOT NULL,
	"proof" "bytea" NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"answer" jsonb,
	"answered_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "renewal_windows" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "renewal_windows_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"fleet" text,
	"group" text,
	"device" text,
	"issuer" text,
	"starts_at" timestamp with time zone NOT NULL,
	"ends_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "certificates" DROP CONSTRAINT "certificates_state";--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "clock_skew_seconds" integer;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "roots" text[];--> statement-breakpoint
ALTER TABLE "fleets" ADD COLUMN "late_renewal_days" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "kind" text DEFAULT 'issuing' NOT NULL;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "state" text DEFAULT 'active' NOT NULL;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "state_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "crls" ADD CONSTRAINT "crls_issuer_issuers_name_fk" FOREIGN KEY ("issuer") REFERENCES "public"."issuers"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "issuer_trust" ADD CONSTRAINT "issuer_trust_issuer_issuers_name_fk" FOREIGN KEY ("issuer") REFERENCES "public"."issuers"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "renewal_requests_answered_at_at_index" ON "renewal_requests" USING btree ("answered_at","at");--> statement-breakpoint
UPDATE "issuers" SET "kind" = 'root' WHERE "name" = 'root';--> statement-breakpoint
CREATE UNIQUE INDEX "certificates_active" ON "certificates" USING btree ("fleet","device") WHERE state = 'active';--> statement-breakpoint
CREATE UNIQUE INDEX "certificates_pending" ON "certificates" USING btree ("fleet","device") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "certificates_live" ON "certificates" USING btree ("issuer","not_after") WHERE state in ('active', 'pending');--> statement-breakpoint
CREATE INDEX "certificates_revocations" ON "certificates" USING btree ("issuer","revoked_at") WHERE state = 'revoked';--> statement-breakpoint
CREATE UNIQUE INDEX "issuers_active" ON "issuers" USING btree ("kind") WHERE kind = 'issuing' and state = 'active';--> statement-breakpoint
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_state" CHECK (state in ('pending', 'active', 'superseded', 'revoked'));--> statement-breakpoint
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_kind" CHECK (kind in ('root', 'issuing', 'cross'));--> statement-breakpoint
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_state" CHECK (state in ('prepared', 'active', 'retiring', 'retired'));--> statement-breakpoint
-- The broker may do this one thing to certificates: the first use of a renewed one makes it the active one.
-- The device's row is locked as a revocation locks it, so that the two take turns and the revocation wins.
CREATE FUNCTION promote_certificate(promoted text, promoted_at timestamp with time zone, node text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  renewed certificates;
BEGIN
  SELECT * INTO renewed FROM certificates WHERE serial = promoted;
  PERFORM 1 FROM devices WHERE fleet = renewed.fleet AND id = renewed.device AND state = 'active' FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM 1 FROM certificates WHERE serial = promoted AND state = 'pending' FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE certificates SET state = 'superseded'
    WHERE fleet = renewed.fleet AND device = renewed.device AND state = 'active';
  UPDATE certificates SET state = 'active' WHERE serial = promoted;
  UPDATE devices SET key_fingerprint = renewed.key_fingerprint
    WHERE fleet = renewed.fleet AND id = renewed.device AND key_fingerprint <> renewed.key_fingerprint;
  INSERT INTO audit (at, actor, action, fleet, subject, detail)
    VALUES (promoted_at, node, 'certificate.promote', renewed.fleet, renewed.device,
      jsonb_build_object('serial', promoted, 'keyFingerprint', renewed.key_fingerprint));
  RETURN true;
END $$;
