import type { DeviceState } from '@muster/contracts'
import { devices, fleets, groups } from '@muster/db'
import { and, asc, eq, gt, gte, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { presentDevice } from './present.ts'

interface Query {
  fleet: string
  state?: DeviceState | undefined
  group?: string | undefined
  prefix?: string | undefined
  limit: number
  cursor?: string | undefined
}

export async function listDevices({ db }: Pick<Context, 'db'>, query: Query) {
  const { fleet, state, group, prefix, limit, cursor } = query
  const after = decodeCursor(cursor, z.tuple([z.string()]))
  await requireFleet(db, fleet)
  const rows = await db
    .select({ device: devices, attachments: { group: groups.policy, fleet: fleets.policy } })
    .from(devices)
    .innerJoin(fleets, eq(fleets.name, devices.fleet))
    .leftJoin(groups, and(eq(groups.fleet, devices.fleet), eq(groups.name, devices.group)))
    .where(
      and(
        eq(devices.fleet, fleet),
        state && eq(devices.state, state),
        group === undefined ? undefined : eq(devices.group, group),
        prefix === undefined ? undefined : and(gte(devices.id, prefix), sql`starts_with(${devices.id}, ${prefix})`),
        after && gt(devices.id, after[0]),
      ),
    )
    .orderBy(asc(devices.id))
    .limit(limit + 1)
  return toPage(
    rows,
    limit,
    ({ device, attachments }) => presentDevice(device, attachments),
    ({ device }) => [device.id],
  )
}
