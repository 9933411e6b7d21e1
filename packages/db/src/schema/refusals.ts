import type { ErrorCode } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import { bigint, boolean, index, pgTable, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/** Promise 6. Equal refusals are one row with a count; written by `record_refusals` alone, which bounds their number. */
export const refusals = pgTable(
  'refusals',
  {
    /** Empty where no fleet of that name exists, or none was named. */
    fleet: text().notNull(),
    /** Of the device, or of whoever claims to be it; empty where no name is known. */
    device: text().notNull(),
    code: text().$type<ErrorCode>().notNull(),
    /** The remote address without its port; `*` where rows were merged. */
    address: text().notNull(),
    /** It came from who it is recorded against: otherwise the name is only claimed. */
    proven: boolean().notNull().default(true),
    detail: text().notNull(),
    /** Of the certificate that was shown, the last one where several were; empty where there was none. */
    subject: text().notNull().default(''),
    serial: text().notNull().default(''),
    issuer: text().notNull().default(''),
    /** Somebody should look: a claim used with another key, a device's certificate from elsewhere. */
    alert: boolean().notNull(),
    count: bigint({ mode: 'number' }).notNull().default(1),
    firstAt: timestamp({ withTimezone: true }).notNull(),
    lastAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.fleet, table.device, table.code, table.address, table.proven] }),
    index().on(table.fleet, table.lastAt),
    index().on(table.lastAt),
    index('refusals_claimed').on(table.code, table.lastAt).where(sql`not proven`),
    index('refusals_claimed_from').on(table.address).where(sql`not proven`),
  ],
)

/** The last batch of each log that counts refusals: one that is sent again, or arrives late, is not counted twice. */
export const refusalWriters = pgTable('refusal_writers', {
  writer: uuid().primaryKey(),
  batch: bigint({ mode: 'number' }).notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
})
