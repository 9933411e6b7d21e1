import { type ProfileName, profileNames } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import { boolean, check, foreignKey, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { devices } from './devices.ts'
import { fleets } from './fleets.ts'
import { bytea } from './types.ts'

/** A permission to enrol; the secret is stored as its SHA-256 only. */
export const claims = pgTable(
  'claims',
  {
    id: text().primaryKey(),
    secretHash: bytea().notNull(),
    fleet: text()
      .notNull()
      .references(() => fleets.name),
    group: text().notNull(),
    /** What its devices get; null leaves it to their group and fleet. */
    policy: text(),
    profile: text().$type<ProfileName>().notNull(),
    /** The names this claim may enrol; null lets the device name itself. */
    devices: text().array(),
    uses: integer().notNull(),
    used: integer().notNull().default(0),
    approval: boolean().notNull().default(false),
    /** CIDR ranges the device must come from; null allows all. */
    networks: text().array(),
    label: text(),
    expiresAt: timestamp({ withTimezone: true }),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [
    index().on(table.fleet, table.createdAt, table.id),
    check('claims_uses', sql`${table.used} between 0 and ${table.uses}`),
    check('claims_profile', sql.raw(`profile in (${profileNames.map((name) => `'${name}'`).join(', ')})`)),
  ],
)

/** Promise 2: the public keys a claim is bound to, each with the device it became. */
export const claimKeys = pgTable(
  'claim_keys',
  {
    claim: text()
      .notNull()
      .references(() => claims.id),
    /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
    keyFingerprint: text().notNull(),
    fleet: text().notNull(),
    device: text().notNull(),
    boundAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.claim, table.keyFingerprint] }),
    foreignKey({ columns: [table.fleet, table.device], foreignColumns: [devices.fleet, devices.id] }),
  ],
)
