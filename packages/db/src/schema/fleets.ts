import { type CloneAction, cloneActions } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import { check, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** The isolation boundary: its own claims, groups, policies and devices. */
export const fleets = pgTable(
  'fleets',
  {
    name: text().primaryKey(),
    /** For how long after its end an unrevoked certificate may still renew, and only that. */
    lateRenewalDays: integer().notNull().default(0),
    /** In force where nothing more specific is. */
    policy: text(),
    /** What happens to a certificate that is in use in two places. */
    onClone: text().$type<CloneAction>().notNull().default('keep-newest'),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  () => [check('fleets_on_clone', sql.raw(`on_clone in (${cloneActions.map((it) => `'${it}'`).join(', ')})`))],
)
