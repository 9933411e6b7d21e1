import type { ChangeKind } from '@muster/contracts'
import { bigint, boolean, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/** What brokers must act on. A revocation is the row of kind `revoke`; its id is `seq`. */
export const changes = pgTable(
  'changes',
  {
    seq: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    kind: text().$type<ChangeKind>().notNull(),
    fleet: text().notNull(),
    /** Null where it concerns many: all of the fleet, of `group`, or those under `policy`. */
    device: text(),
    group: text(),
    policy: text(),
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
    sessionsChanged: integer().notNull().default(0),
    subscriptionsCut: integer().notNull().default(0),
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
