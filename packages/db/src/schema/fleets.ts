import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** The isolation boundary: its own claims, groups, policies and devices. */
export const fleets = pgTable('fleets', {
  name: text().primaryKey(),
  /** For how long after its end an unrevoked certificate may still renew, and only that. */
  lateRenewalDays: integer().notNull().default(0),
  /** In force where nothing more specific is. */
  policy: text(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
})
