import { pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { fleets } from './fleets.ts'

/** Groups that were created, or have something attached; others are there by being used. */
export const groups = pgTable(
  'groups',
  {
    fleet: text()
      .notNull()
      .references(() => fleets.name),
    name: text().notNull(),
    policy: text(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.fleet, table.name] })],
)
