import type { Forecast } from '@muster/contracts'
import { certificates, devices, fleets } from '@muster/db'
import { and, asc, eq, type SQL, sql } from 'drizzle-orm'
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
  const endsBy = (end: typeof lives.end, count: number) => sql`${end} <= ${within(count).toISOString()}::timestamptz`
  const isServer = sql`${lives.profile} = 'server'`
  const lost = sql`${endsBy(lives.end, hours)} and not ${isServer}`
  const count = (condition: SQL) => sql<number>`(count(*) filter (where ${condition}))::int`

  const columns = Object.entries(horizons).flatMap(([name, length]) => {
    const ends = endsBy(lives.last, length)
    return [
      [name, count(ends)],
      [`${name} servers`, count(sql`${ends} and ${isServer}`)],
    ]
  })
  const [counts = {}] = await db.select({ ...Object.fromEntries(columns), lost: count(lost) }).from(lives)
  const first = await db
    .select({ fleet: lives.fleet, device: lives.device, last: lives.last })
    .from(lives)
    .where(lost)
    .orderBy(asc(lives.last), asc(lives.device))
    .limit(shown)
  return {
    expiring: Object.keys(horizons).map((name) => ({
      within: name,
      certificates: counts[name] ?? 0,
      servers: counts[`${name} servers`] ?? 0,
    })),
    outage: {
      hours,
      devices: counts.lost ?? 0,
      first: first.map(({ fleet, device, last }) => ({ fleet, device, notAfter: last.toISOString() })),
    },
  }
}
