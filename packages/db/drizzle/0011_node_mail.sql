-- Not logged: it is empty after a crash, costs no WAL, and what was lost is noticed again (docs/broker.md).
CREATE UNLOGGED TABLE "node_mail" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "node_mail_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"recipient" text NOT NULL,
	"sender" text NOT NULL,
	"letter" jsonb NOT NULL,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "node_mail_recipient_index" ON "node_mail" USING btree ("recipient");