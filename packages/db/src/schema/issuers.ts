import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { bytea } from './types.ts'

/** CA certificates, roots included; their keys are never in the database. */
export const issuers = pgTable('issuers', {
  /** `root` or the issuing CA's name, as in `/ca/<issuer>.crt`. */
  name: text().primaryKey(),
  der: bytea().notNull(),
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: text().notNull(),
  notAfter: timestamp({ withTimezone: true }).notNull(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
})
