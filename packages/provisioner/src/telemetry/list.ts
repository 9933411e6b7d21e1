import type { TelemetryQuery } from '@muster/contracts'
import { type Db, devices, telemetry } from '@muster/db'
import { and, asc, desc, eq, gte, lte, type SQL, sql } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { presentMessage } from './present.ts'

/** `last`: of the devices that are asked for, by name. */
const Cursor = z.union([z.tuple([z.string(), z.int()]), z.tuple([z.string(), z.int(), z.string()])])

/** By device, and of each in the order in which it was stored: the order of the table's only index. */
export async function listFleetTelemetry({ db }: Pick<Context, 'db'>, query: TelemetryQuery) {
  const { fleet, prefix, limit } = query
  const after = decodeCursor(query.cursor, Cursor)
  await requireFleet(db, fleet)
  const last = prefix === undefined ? undefined : (after?.[2] ?? (await findLast(db, fleet, prefix)))
  if (last === null) return { items: [], next: null }
  const { device, seq } = telemetry
  const rows = await db
    .select()
    .from(telemetry)
    .where(
      and(
        eq(telemetry.fleet, fleet),
        prefix === undefined ? undefined : and(gte(device, prefix), beginsWith(device, prefix)),
        last === undefined ? undefined : lte(device, last),
        after && sql`(${device}, ${seq}) > (${after[0]}::text, ${after[1]}::bigint)`,
      ),
    )
    .orderBy(asc(device), asc(seq))
    .limit(limit + 1)
  return toPage(
    rows,
    limit,
    (row) => ({ device: row.device, ...presentMessage(row) }),
    (row) => [row.device, row.seq, ...(last === undefined ? [] : [last])],
  )
}

/** Where to stop, in whatever order the database sorts names. */
async function findLast(db: Db, fleet: string, prefix: string): Promise<string | null> {
  const [row] = await db
    .select({ id: devices.id })
    .from(devices)
    .where(and(eq(devices.fleet, fleet), gte(devices.id, prefix), beginsWith(devices.id, prefix)))
    .orderBy(desc(devices.id))
    .limit(1)
  return row?.id ?? null
}

const beginsWith = (column: PgColumn, prefix: string): SQL => sql`starts_with(${column}, ${prefix})`
