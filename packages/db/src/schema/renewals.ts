import { bigint, index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { bytea } from './types.ts'

/** A renewal window that an operator has pulled forward, for whatever matches all that is named. */
export const renewalWindows = pgTable('renewal_windows', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  fleet: text(),
  group: text(),
  device: text(),
  issuer: text(),
  startsAt: timestamp({ withTimezone: true }).notNull(),
  endsAt: timestamp({ withTimezone: true }).notNull(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
})

/** Renewals that came over MQTT: the broker puts the proof down, a provisioner judges it and answers. */
export const renewalRequests = pgTable(
  'renewal_requests',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    fleet: text().notNull(),
    device: text().notNull(),
    /** The broker node that will deliver the answer. */
    node: text().notNull(),
    proof: bytea().notNull(),
    at: timestamp({ withTimezone: true }).notNull(),
    answer: jsonb().$type<Record<string, unknown>>(),
    answeredAt: timestamp({ withTimezone: true }),
  },
  (table) => [index().on(table.answeredAt, table.at)],
)
