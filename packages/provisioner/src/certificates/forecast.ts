import type { Forecast } from '@muster/contracts'
import { certificates, devices, fleets } from '@muster/db'
import { and, asc, eq, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { isLive } from '../issuers/list.ts'

const hourMs = 3_600_000
const horizons = { '1h': 1, '24h': 24, '72h': 72, '7d': 168, '30d': 720, '90d': 2_160 }
const shown = 20

/** What ends when, and who is lost if nothing can be renewed for `hours`. */
export async function forecastExpiry({ db, now }: Pick<Context, 'db' | 'now'>, hours: number): Promise<Forecast> {
  const at = now()
  const within = (count: number) => new Date(at.getTime() + count * hourMs)
  // A device has what it can use until the later of its certificates ends, and then the late days of its fleet.
  const lives = db
    .select({
      fleet: devices.fleet,
      device: devices.id,
      profile: devices.profile,
      last: sql<Date>`max(${certificates.notAfter})`.mapWith(certificates.notAfter).as('last'),
      end: sql<Date>`max(${certificates.notAfter}) + make_interval(days => ${fleets.lateRenewalDays})`
        .mapWith(certificates.notAfter)
        .as('end'),
    })
    .from(certificates)
    .innerJoin(devices, and(eq(devices.fleet, certificates.fleet), eq(devices.id, certificates.device)))
    .innerJoin(fleets, eq(fleets.name, devices.fleet))
    .where(and(eq(devices.state, 'active'), isLive(at)))
    .groupBy(devices.fleet, devices.id, devices.profile, fleets.lateRenewalDays)
    .as('lives')
  const endsWithin = (count: number) => sql`${lives.last} <= ${within(count).toISOString()}::timestamptz`
  const lost = sql`${lives.end} <= ${within(hours).toISOString()}::timestamptz and ${lives.profile} <> 'server'`

  const expiring = []
  for (const [name, count] of Object.entries(horizons)) {
    const [row] = await db
      .select({
        certificates: sql<number>`count(*)::int`,
        servers: sql<number>`(count(*) filter (where ${lives.profile} = 'server'))::int`,
      })
      .from(lives)
      .where(endsWithin(count))
    expiring.push({ within: name, certificates: row?.certificates ?? 0, servers: row?.servers ?? 0 })
  }
  const [total] = await db.select({ devices: sql<number>`count(*)::int` }).from(lives).where(lost)
  const first = await db
    .select({ fleet: lives.fleet, device: lives.device, last: lives.last })
    .from(lives)
    .where(lost)
    .orderBy(asc(lives.last), asc(lives.device))
    .limit(shown)
  return {
    expiring,
    outage: {
      hours,
      devices: total?.devices ?? 0,
      first: first.map(({ fleet, device, last }) => ({ fleet, device, notAfter: last.toISOString() })),
    },
  }
}
