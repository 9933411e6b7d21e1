import { bigint, index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * What broker nodes say to each other; who has read a letter removes it. Not logged (the migration says so): a crash of the
 * database loses them, and nobody relies on one that was sent.
 */
export const nodeMail = pgTable(
  'node_mail',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    recipient: text().notNull(),
    sender: text().notNull(),
    letter: jsonb().notNull(),
    at: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index().on(table.recipient)],
)
