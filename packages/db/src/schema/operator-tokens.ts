import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { bytea } from './types.ts'

/** Operators' bearer tokens, `muster_op_<id>_<secret>`; the secret is stored as its SHA-256 only. */
export const operatorTokens = pgTable('operator_tokens', {
  id: text().primaryKey(),
  name: text().notNull(),
  secretHash: bytea().notNull(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  revokedAt: timestamp({ withTimezone: true }),
})
