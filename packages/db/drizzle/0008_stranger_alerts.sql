-- As before, and a stranger's certificate is an alert only where it has taken the name of a device that there is, so many an hour.
CREATE OR REPLACE FUNCTION record_refusals(seen jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  names_per_address CONSTANT int := 20;
  stranger_alerts_per_hour CONSTANT int := 20;
BEGIN
  -- Two nodes that count at once would both find room.
  IF seen @> '[{"code": "certificate-untrusted", "alert": true}]' THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('muster stranger alerts', 0));
  END IF;
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
  ), doubted AS (
    -- Anybody can write any name into a certificate of their own.
    SELECT p.*, alert AND code = 'certificate-untrusted' AND NOT is_proven AS is_strangers,
      is_named AND EXISTS (SELECT FROM devices d WHERE d.fleet = p.in_fleet AND d.id = p.device) AS is_ours,
      EXISTS (SELECT FROM refusals o WHERE o.fleet = p.in_fleet AND o.device = p.device AND o.code = p.code
        AND o.address = p.address AND NOT o.proven AND o.alert) AS is_raised
    FROM placed p
  ), judged AS (
    SELECT d.*, CASE WHEN NOT is_strangers THEN alert WHEN is_raised THEN true WHEN NOT is_ours THEN false
      ELSE dense_rank() OVER (PARTITION BY is_strangers, is_ours, is_raised ORDER BY in_fleet, device, address) +
        (SELECT count(*) FROM refusals o WHERE o.code = 'certificate-untrusted' AND NOT o.proven AND o.alert
          AND o.last_at > (SELECT max(last_at) FROM asked) - interval '1 hour') <= stranger_alerts_per_hour END AS is_alert
    FROM doubted d
  )
  INSERT INTO refusals AS old
    (fleet, device, code, address, proven, detail, subject, serial, issuer, alert, count, first_at, last_at)
  SELECT CASE WHEN is_named THEN in_fleet ELSE '' END, CASE WHEN is_named THEN device ELSE '' END, code, address, is_proven,
    (array_agg(detail ORDER BY last_at DESC))[1], (array_agg(subject ORDER BY last_at DESC))[1],
    (array_agg(serial ORDER BY last_at DESC))[1], (array_agg(issuer ORDER BY last_at DESC))[1],
    bool_or(is_alert), sum(count), min(first_at), max(last_at)
  FROM judged GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (fleet, device, code, address, proven) DO UPDATE SET
    count = old.count + excluded.count, last_at = greatest(old.last_at, excluded.last_at), detail = excluded.detail,
    subject = excluded.subject, serial = excluded.serial, issuer = excluded.issuer, alert = old.alert OR excluded.alert;
  PERFORM bound_refusals(seen);
END $$;--> statement-breakpoint
-- As before; a stranger's alert of the last hour stays, or merging it would make room for the next.
CREATE OR REPLACE FUNCTION bound_refusals(seen jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  claimed_per_code CONSTANT int := 500;
  claimed_per_device CONSTANT int := 10;
  proven_per_device CONSTANT int := 50;
  fresh CONSTANT timestamptz := (SELECT max(r.last_at) - interval '1 hour' FROM jsonb_to_recordset(seen) AS r (last_at timestamptz));
BEGIN
  WITH touched AS (
    SELECT DISTINCT r.fleet, r.device, r.code FROM jsonb_to_recordset(seen) AS r (fleet text, device text, code text)
  ), ranked AS (
    SELECT o.ctid AS place, row_number() OVER (PARTITION BY o.fleet, o.device, o.proven ORDER BY o.last_at DESC)
      > CASE WHEN o.proven THEN proven_per_device ELSE claimed_per_device END AS is_beyond
    FROM refusals o WHERE o.device <> '' AND o.address <> '*' AND NOT (o.code = 'certificate-untrusted' AND NOT o.proven AND o.alert AND o.last_at > fresh)
      AND (o.fleet, o.device) IN (SELECT fleet, device FROM touched UNION SELECT '', device FROM touched)
    UNION ALL
    SELECT o.place, true FROM (SELECT DISTINCT code FROM touched) t, LATERAL (
      SELECT ctid AS place FROM refusals WHERE code = t.code AND NOT proven AND address <> '*'
        AND NOT (code = 'certificate-untrusted' AND alert AND last_at > fresh)
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
END $$;
