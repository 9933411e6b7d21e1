import { bigint, boolean, pgTable, primaryKey, smallint, text, timestamp } from 'drizzle-orm/pg-core'
import { bytea } from './types.ts'

/** What devices published. One index serves both the device's list and uniqueness, which keeps inserts cheap. */
export const telemetry = pgTable(
  'telemetry',
  {
    fleet: text().notNull(),
    device: text().notNull(),
    seq: bigint({ mode: 'number' }).generatedAlwaysAsIdentity().notNull(),
    topic: text().notNull(),
    payload: bytea().notNull(),
    qos: smallint().notNull(),
    /** It may be the same message as an earlier row: it was sent, or had to be written, again. */
    duplicate: boolean().notNull().default(false),
    receivedAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.fleet, table.device, table.seq] })],
)
