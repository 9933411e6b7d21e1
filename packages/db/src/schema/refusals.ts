import type { ErrorCode } from '@muster/contracts'
import { boolean, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/** Promise 6. Equal refusals of one device are one row with a count, so a storm cannot fill the disk. */
export const refusals = pgTable(
  'refusals',
  {
    fleet: text().notNull(),
    device: text().notNull(),
    code: text().$type<ErrorCode>().notNull(),
    /** The remote address without its port. */
    address: text().notNull(),
    detail: text().notNull(),
    /** Somebody should look: a claim used with another key, a device's certificate from elsewhere. */
    alert: boolean().notNull(),
    count: integer().notNull().default(1),
    firstAt: timestamp({ withTimezone: true }).notNull(),
    lastAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.fleet, table.device, table.code, table.address] }),
    index().on(table.fleet, table.lastAt),
  ],
)
