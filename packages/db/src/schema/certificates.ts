import { type CertificateState, certificateStates, type RevocationReason } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import { check, foreignKey, index, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
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
    /** A renewed certificate is `pending` until the broker has seen it; its first use makes it the `active` one. */
    state: text().$type<CertificateState>().notNull(),
    notBefore: timestamp({ withTimezone: true }).notNull(),
    notAfter: timestamp({ withTimezone: true }).notNull(),
    revokedAt: timestamp({ withTimezone: true }),
    revocationReason: text().$type<RevocationReason>(),
  },
  (table) => [
    foreignKey({ columns: [table.fleet, table.device], foreignColumns: [devices.fleet, devices.id] }),
    index().on(table.fleet, table.device, table.notBefore),
    // One certificate is in use, one may wait to take its place: for ever, whatever the code does.
    uniqueIndex('certificates_active').on(table.fleet, table.device).where(sql`state = 'active'`),
    uniqueIndex('certificates_pending').on(table.fleet, table.device).where(sql`state = 'pending'`),
    // A key that waits to become a device's own belongs to it already.
    uniqueIndex('certificates_pending_key').on(table.keyFingerprint).where(sql`state = 'pending'`),
    index('certificates_live').on(table.issuer, table.notAfter).where(sql`state in ('active', 'pending')`),
    index('certificates_revocations').on(table.issuer, table.revokedAt).where(sql`state = 'revoked'`),
    check('certificates_state', sql.raw(`state in (${certificateStates.map((state) => `'${state}'`).join(', ')})`)),
    check('certificates_revoked', sql`(state = 'revoked') = (revoked_at is not null)`),
  ],
)
