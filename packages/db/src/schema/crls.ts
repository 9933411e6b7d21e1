import { bigint, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { issuers } from './issuers.ts'
import { bytea } from './types.ts'

/** The CRLs in force, as they are served. Whoever makes the next ones locks the issuer's row and counts `number` up. */
export const crls = pgTable(
  'crls',
  {
    issuer: text()
      .notNull()
      .references(() => issuers.name),
    /** 0 is the complete CRL; the shards of a large one count from 1. */
    shard: integer().notNull(),
    kind: text().$type<'full' | 'delta'>().notNull(),
    number: bigint({ mode: 'number' }).notNull(),
    der: bytea().notNull(),
    thisUpdate: timestamp({ withTimezone: true }).notNull(),
    nextUpdate: timestamp({ withTimezone: true }).notNull(),
    /** How many certificates it lists. */
    entries: integer().notNull(),
    /** Of a delta CRL: the complete CRL from which on it tells what has changed. */
    baseNumber: bigint({ mode: 'number' }),
    baseAt: timestamp({ withTimezone: true }),
  },
  (table) => [primaryKey({ columns: [table.issuer, table.shard, table.kind] })],
)
