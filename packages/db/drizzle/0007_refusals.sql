ALTER TABLE "refusals" DROP CONSTRAINT "refusals_fleet_device_code_address_pk";--> statement-breakpoint
ALTER TABLE "refusals" ALTER COLUMN "count" SET DATA TYPE bigint;--> statement-breakpoint
ALTER TABLE "refusals" ALTER COLUMN "count" SET DEFAULT 1;--> statement-breakpoint
ALTER TABLE "fleets" ADD COLUMN "on_clone" text DEFAULT 'keep-newest' NOT NULL;--> statement-breakpoint
ALTER TABLE "refusals" ADD COLUMN "proven" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "refusals" ADD CONSTRAINT "refusals_fleet_device_code_address_proven_pk" PRIMARY KEY("fleet","device","code","address","proven");--> statement-breakpoint
ALTER TABLE "refusals" ADD COLUMN "subject" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "refusals" ADD COLUMN "serial" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "refusals" ADD COLUMN "issuer" text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE INDEX "refusals_last_at_index" ON "refusals" USING btree ("last_at");--> statement-breakpoint
CREATE INDEX "refusals_claimed" ON "refusals" USING btree ("code","last_at") WHERE not proven;--> statement-breakpoint
CREATE INDEX "refusals_claimed_from" ON "refusals" USING btree ("address") WHERE not proven;--> statement-breakpoint
ALTER TABLE "fleets" ADD CONSTRAINT "fleets_on_clone" CHECK (on_clone in ('keep-newest', 'keep-oldest', 'suspend'));--> statement-breakpoint
-- Records refusals, equal ones counted in one row, however many names, addresses and serial numbers somebody makes up.
-- A name is proven by a certificate that was issued to it (TLS has proved the key), or by the caller's word where none was shown.
CREATE FUNCTION record_refusals(seen jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  names_per_address CONSTANT int := 20;
BEGIN
  WITH asked AS (
    SELECT r.*, coalesce(f.name, '') AS in_fleet,
      CASE WHEN r.fingerprint = '' THEN r.proven ELSE EXISTS (
        SELECT FROM certificates c WHERE c.serial = r.serial AND c.fingerprint = r.fingerprint
          AND c.fleet = r.fleet AND c.device = r.device) END AS is_proven
    FROM jsonb_to_recordset(seen) AS r (fleet text, device text, code text, address text, proven boolean, fingerprint text,
      detail text, subject text, serial text, issuer text, alert boolean, count bigint, first_at timestamptz, last_at timestamptz)
    LEFT JOIN fleets f ON f.name = r.fleet
  ), numbered AS (
    SELECT a.*,
      EXISTS (SELECT FROM refusals o WHERE o.fleet = a.in_fleet AND o.device = a.device AND o.code = a.code
        AND o.address = a.address AND o.proven = a.is_proven) AS is_known,
      CASE WHEN NOT is_proven THEN (SELECT count(*) FROM refusals o WHERE o.address = a.address AND NOT o.proven)
        + row_number() OVER (PARTITION BY a.address, a.is_proven ORDER BY a.first_at) END AS place
    FROM asked a
  ), placed AS (
    SELECT n.*, is_known OR is_proven OR place <= names_per_address AS is_named FROM numbered n
  )
  INSERT INTO refusals AS old
    (fleet, device, code, address, proven, detail, subject, serial, issuer, alert, count, first_at, last_at)
  SELECT CASE WHEN is_named THEN in_fleet ELSE '' END, CASE WHEN is_named THEN device ELSE '' END, code, address, is_proven,
    (array_agg(detail ORDER BY last_at DESC))[1], (array_agg(subject ORDER BY last_at DESC))[1],
    (array_agg(serial ORDER BY last_at DESC))[1], (array_agg(issuer ORDER BY last_at DESC))[1],
    bool_or(alert), sum(count), min(first_at), max(last_at)
  FROM placed GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (fleet, device, code, address, proven) DO UPDATE SET
    count = old.count + excluded.count, last_at = greatest(old.last_at, excluded.last_at), detail = excluded.detail,
    subject = excluded.subject, serial = excluded.serial, issuer = excluded.issuer, alert = old.alert OR excluded.alert;
  PERFORM bound_refusals(seen);
END $$;--> statement-breakpoint
-- Merges the oldest rows beyond the bounds into one with the address *, so that their count is kept.
-- A row that somebody else works on is left for the next time: two that do this at once cannot wait for each other.
CREATE FUNCTION bound_refusals(seen jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  claimed_per_code CONSTANT int := 500;
  claimed_per_device CONSTANT int := 10;
  proven_per_device CONSTANT int := 50;
BEGIN
  WITH touched AS (
    SELECT DISTINCT r.fleet, r.device, r.code FROM jsonb_to_recordset(seen) AS r (fleet text, device text, code text)
  ), ranked AS (
    SELECT o.ctid AS place, row_number() OVER (PARTITION BY o.fleet, o.device, o.proven ORDER BY o.last_at DESC)
      > CASE WHEN o.proven THEN proven_per_device ELSE claimed_per_device END AS is_beyond
    FROM refusals o WHERE o.device <> '' AND o.address <> '*'
      AND (o.fleet, o.device) IN (SELECT fleet, device FROM touched UNION SELECT '', device FROM touched)
    UNION ALL
    SELECT o.place, true FROM (SELECT DISTINCT code FROM touched) t, LATERAL (
      SELECT ctid AS place FROM refusals WHERE code = t.code AND NOT proven AND address <> '*'
      ORDER BY last_at DESC OFFSET claimed_per_code) o
  ), locked AS (
    SELECT ctid AS place FROM refusals WHERE ctid IN (SELECT place FROM ranked WHERE is_beyond) FOR UPDATE SKIP LOCKED
  ), gone AS (
    DELETE FROM refusals WHERE ctid IN (SELECT place FROM locked) RETURNING *
  )
  INSERT INTO refusals AS old
    (fleet, device, code, address, proven, detail, alert, count, first_at, last_at)
  SELECT CASE WHEN proven THEN fleet ELSE '' END, CASE WHEN proven THEN device ELSE '' END, code, '*', proven,
    'merged: more were refused than are kept one by one', bool_or(alert), sum(count), min(first_at), max(last_at)
  FROM gone GROUP BY 1, 2, 3, 5 ORDER BY 1, 2, 3, 5
  ON CONFLICT (fleet, device, code, address, proven) DO UPDATE SET
    count = old.count + excluded.count, last_at = greatest(old.last_at, excluded.last_at),
    first_at = least(old.first_at, excluded.first_at), alert = old.alert OR excluded.alert;
END $$;--> statement-breakpoint
-- The broker may suspend a device for this one reason. Locked, audited and announced as an operator's suspension is.
CREATE FUNCTION suspend_cloned(cloned text, suspended_at timestamp with time zone, node text, why text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  copied certificates;
  announced bigint;
BEGIN
  SELECT * INTO copied FROM certificates WHERE serial = cloned;
  PERFORM 1 FROM fleets WHERE name = copied.fleet AND on_clone = 'suspend';
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM 1 FROM devices WHERE fleet = copied.fleet AND id = copied.device AND state = 'active' FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE devices SET state = 'suspended', state_at = suspended_at WHERE fleet = copied.fleet AND id = copied.device;
  INSERT INTO audit (at, actor, action, fleet, subject, detail)
    VALUES (suspended_at, node, 'device.suspend', copied.fleet, copied.device,
      jsonb_build_object('from', 'active', 'to', 'suspended', 'reason', 'certificate-cloned', 'serial', cloned, 'detail', why));
  INSERT INTO changes (kind, fleet, device, reason, at)
    VALUES ('suspend', copied.fleet, copied.device, 'certificate-cloned', suspended_at) RETURNING seq INTO announced;
  PERFORM pg_notify('muster_changes', announced::text);
  RETURN true;
END $$;
