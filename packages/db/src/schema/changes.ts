import type { ChangeKind } from '@muster/contracts'
import { bigint, boolean, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/** What brokers must act on. A revocation is the row of kind `revoke`; its id is `seq`. */
export const changes = pgTable(
  'changes',
  {
    seq: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    kind: text().$type<ChangeKind>().notNull(),
    fleet: text().notNull(),
    device: text().notNull(),
    reason: text(),
    at: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index().on(table.fleet, table.device, table.seq)],
)

/** A node's word that it has acted on a change. */
export const receipts = pgTable(
  'receipts',
  {
    change: bigint({ mode: 'number' })
      .notNull()
      .references(() => changes.seq),
    node: text().notNull(),
    connectionsClosed: integer().notNull(),
    sessionPurged: boolean().notNull(),
    at: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.change, table.node] })],
)

/**
 * Broker nodes. A change is complete when every node that may still hold sessions has a receipt:
 * those that have not left (`leftAt`) and whose lease has not run out (`leaseUntil`; a node closes
 * all its connections before that when it cannot renew).
 */
export const nodes = pgTable('nodes', {
  name: text().primaryKey(),
  startedAt: timestamp({ withTimezone: true }).notNull(),
  leaseUntil: timestamp({ withTimezone: true }).notNull(),
  leftAt: timestamp({ withTimezone: true }),
})
