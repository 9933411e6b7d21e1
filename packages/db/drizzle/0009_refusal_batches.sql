CREATE TABLE "refusal_writers" (
	"writer" uuid PRIMARY KEY NOT NULL,
	"batch" bigint NOT NULL,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
-- As `record_refusals`, but each batch of a writer once, and none after a later one. Whoever lost the answer sends the batch again with
-- its number: the writer's row makes that wait for the first, should it be under way still, and turns away what arrives too late.
CREATE FUNCTION record_refusals_once(of_writer uuid, number bigint, seen jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO refusal_writers AS last (writer, batch, at) VALUES (of_writer, number, now())
  ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, at = excluded.at WHERE last.batch < excluded.batch;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM record_refusals(seen);
  RETURN true;
END $$;
