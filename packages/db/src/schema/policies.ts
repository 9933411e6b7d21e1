import type { Policy } from '@muster/contracts'
import { jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { fleets } from './fleets.ts'

/** Topic policies a fleet has of its own; the presets `device` and `service` live in code and need no row. */
export const policies = pgTable(
  'policies',
  {
    fleet: text()
      .notNull()
      .references(() => fleets.name),
    name: text().notNull(),
    document: jsonb().$type<Policy>().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.fleet, table.name] })],
)
