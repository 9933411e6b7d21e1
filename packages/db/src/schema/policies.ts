import type { Policy } from '@muster/contracts'
import { integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { fleets } from './fleets.ts'

/** Topic policies a fleet has of its own, in the version in force; the presets `device` and `service` live in code and need no row. */
export const policies = pgTable(
  'policies',
  {
    fleet: text()
      .notNull()
      .references(() => fleets.name),
    name: text().notNull(),
    version: integer().notNull().default(1),
    document: jsonb().$type<Policy>().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.fleet, table.name] })],
)

/** Every version ever saved; they outlive the policy, so that a number never means two documents. */
export const policyVersions = pgTable(
  'policy_versions',
  {
    fleet: text()
      .notNull()
      .references(() => fleets.name),
    name: text().notNull(),
    version: integer().notNull(),
    document: jsonb().$type<Policy>().notNull(),
    savedBy: text().notNull(),
    savedAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.fleet, table.name, table.version] })],
)
