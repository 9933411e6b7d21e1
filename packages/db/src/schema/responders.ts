import { index, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { issuers } from './issuers.ts'
import { bytea } from './types.ts'

/** Certificates of OCSP responders: beside those in `certificates`, all that an issuing CA signs. */
export const responders = pgTable(
  'responders',
  {
    /** Lower-case hex. */
    serial: text().primaryKey(),
    issuer: text()
      .notNull()
      .references(() => issuers.name),
    /** The provisioner whose memory holds the key. */
    node: text().notNull(),
    /** SHA-256 of the DER, lower-case hex. */
    fingerprint: text().notNull(),
    der: bytea().notNull(),
    notBefore: timestamp({ withTimezone: true }).notNull(),
    notAfter: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index().on(table.issuer, table.notAfter)],
)
