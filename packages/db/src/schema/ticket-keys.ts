import { index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { bytea } from './types.ts'

/** The public key of a node's running process (X25519), signed with the node's certificate: what others seal for it. */
export const ticketMembers = pgTable('ticket_members', {
  node: text().primaryKey(),
  publicKey: bytea().notNull(),
  /** The certificate that has signed it. */
  serial: text().notNull(),
  signature: bytea().notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
})

/** Which TLS ticket key is the one of a period; the key itself is in the nodes' memory only. */
export const ticketKeys = pgTable('ticket_keys', {
  period: integer().primaryKey(),
  id: text().notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
})

/** A ticket key, sealed by one node for another: only a process that runs can open it. */
export const ticketShares = pgTable(
  'ticket_shares',
  {
    key: text().notNull(),
    period: integer().notNull(),
    node: text().notNull(),
    /** The public keys it was sealed for and by. */
    recipient: bytea().notNull(),
    sender: bytea().notNull(),
    sealed: bytea().notNull(),
  },
  (table) => [primaryKey({ columns: [table.key, table.node] }), index().on(table.period)],
)
