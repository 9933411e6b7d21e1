import { type IssuerState, issuerStates } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import { check, pgTable, primaryKey, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { bytea } from './types.ts'

/** CA certificates, roots included; their keys are never in the database. */
export const issuers = pgTable(
  'issuers',
  {
    /** `root` or the issuing CA's name, as in `/ca/<issuer>.crt`. */
    name: text().primaryKey(),
    kind: text().$type<'root' | 'issuing' | 'cross'>().notNull().default('issuing'),
    /** `prepared`: brokers learn to trust it; `active`: new certificates come from it; `retiring`: its certificates are being renewed; `retired`: nothing of it is admitted. */
    state: text().$type<IssuerState>().notNull().default('active'),
    der: bytea().notNull(),
    /** SHA-256 of the DER, lower-case hex. */
    fingerprint: text().notNull(),
    notAfter: timestamp({ withTimezone: true }).notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    stateAt: timestamp({ withTimezone: true }),
  },
  (table) => [
    uniqueIndex('issuers_active').on(table.kind).where(sql`kind = 'issuing' and state = 'active'`),
    check('issuers_kind', sql`kind in ('root', 'issuing', 'cross')`),
    check('issuers_state', sql.raw(`state in (${issuerStates.map((state) => `'${state}'`).join(', ')})`)),
  ],
)

/** A broker node's word that it admits certificates of an issuer. */
export const issuerTrust = pgTable(
  'issuer_trust',
  {
    issuer: text()
      .notNull()
      .references(() => issuers.name),
    node: text().notNull(),
    at: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.issuer, table.node] })],
)
