import { type DeviceState, deviceStates, type ProfileName } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, primaryKey, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { fleets } from './fleets.ts'

/** Everything that holds a certificate: devices, services and the platform's own servers (`profile` tells which). */
export const devices = pgTable(
  'devices',
  {
    fleet: text()
      .notNull()
      .references(() => fleets.name),
    id: text().notNull(),
    group: text().notNull(),
    /** Attached to the device itself; where null the claim's, the group's or the fleet's is in force. */
    policy: text(),
    /** What its claim named when it enrolled. */
    claimPolicy: text(),
    profile: text().$type<ProfileName>().notNull(),
    state: text().$type<DeviceState>().notNull(),
    /** SHA-256 of the SubjectPublicKeyInfo of the enrolled key, lower-case hex. */
    keyFingerprint: text().notNull(),
    attributes: jsonb().$type<Record<string, string>>().notNull().default({}),
    enrolledAt: timestamp({ withTimezone: true }).notNull(),
    stateAt: timestamp({ withTimezone: true }).notNull(),
    /** Broker node that holds the live connection; null while offline. */
    node: text(),
    connectedAt: timestamp({ withTimezone: true }),
    seenAt: timestamp({ withTimezone: true }),
    /** Until when the broker node it was at last keeps its session while it is away; null where nothing is kept. */
    sessionEndsAt: timestamp({ withTimezone: true }),
    /** How far the device's clock was off when it last told: positive when it is ahead. */
    clockSkewSeconds: integer(),
    /** Fingerprints of the roots the device says it trusts, since its last renewal. */
    roots: text().array(),
  },
  (table) => [
    primaryKey({ columns: [table.fleet, table.id] }),
    index().on(table.fleet, table.state, table.id),
    index().on(table.fleet, table.group),
    // A key belongs to one device: a second device with it is a clone. Retiring gives it free.
    uniqueIndex('devices_key').on(table.keyFingerprint).where(sql`state <> 'retired'`),
    check('devices_state', sql.raw(`state in (${deviceStates.map((state) => `'${state}'`).join(', ')})`)),
  ],
)
