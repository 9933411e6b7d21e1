import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** The isolation boundary: its own claims, groups, policies and devices. */
export const fleets = pgTable('fleets', {
  name: text().primaryKey(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
})
