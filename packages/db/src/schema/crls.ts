import { bigint, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { issuers } from './issuers.ts'
import { bytea } from './types.ts'

/** The CRLs in force, as they are served. Whoever makes the next one locks the row and counts `number` up. */
export const crls = pgTable(
  'crls',
  {
    issuer: text()
      .notNull()
      .references(() => issuers.name),
    shard: integer().notNull(),
    kind: text().$type<'full' | 'delta'>().notNull(),
    number: bigint({ mode: 'number' }).notNull(),
    der: bytea().notNull(),
    thisUpdate: timestamp({ withTimezone: true }).notNull(),
    nextUpdate: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.issuer, table.shard, table.kind] })],
)
