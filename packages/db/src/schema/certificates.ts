import type { RevocationReason } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import { check, foreignKey, index, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { devices } from './devices.ts'
import { bytea } from './types.ts'

/** Every certificate ever issued. Truth is the row: one that is not here is not admitted, whoever signed it. */
export const certificates = pgTable(
  'certificates',
  {
    /** Lower-case hex. */
    serial: text().primaryKey(),
    fleet: text().notNull(),
    device: text().notNull(),
    issuer: text().notNull(),
    /** SHA-256 of the DER, lower-case hex. */
    fingerprint: text().notNull(),
    keyFingerprint: text().notNull(),
    der: bytea().notNull(),
    state: text().$type<'active' | 'superseded' | 'revoked'>().notNull(),
    notBefore: timestamp({ withTimezone: true }).notNull(),
    notAfter: timestamp({ withTimezone: true }).notNull(),
    revokedAt: timestamp({ withTimezone: true }),
    revocationReason: text().$type<RevocationReason>(),
  },
  (table) => [
    foreignKey({ columns: [table.fleet, table.device], foreignColumns: [devices.fleet, devices.id] }),
    index().on(table.fleet, table.device, table.notBefore),
    check('certificates_state', sql`state in ('active', 'superseded', 'revoked')`),
    check('certificates_revoked', sql`(state = 'revoked') = (revoked_at is not null)`),
  ],
)
