import { platformFleet } from '@muster/contracts'
import { certificates, devices } from '@muster/db'
import { and, eq, gt, lte, sql } from 'drizzle-orm'
import { Gauge } from 'prom-client'
import type { Deps } from '../context.ts'

const dayMs = 86_400_000
const horizons = { '1d': dayMs, '7d': 7 * dayMs, '30d': 30 * dayMs }

/** Certificates that come to their end, looked up whenever the metrics are asked for. */
export function measureExpiry({ db, log, metrics, now }: Pick<Deps, 'db' | 'log' | 'metrics' | 'now'>): void {
  const registers = [metrics.registry]
  const isInUse = and(eq(certificates.state, 'active'), eq(devices.state, 'active'))
  const isTheirs = and(eq(devices.fleet, certificates.fleet), eq(devices.id, certificates.device))

  new Gauge({
    name: 'muster_certificates_expiring',
    help: 'Certificates in use that end within that time, of devices and services (fleet) and of servers (platform)',
    labelNames: ['holder', 'within'] as const,
    registers,
    collect: quietly(log, async (gauge) => {
      const at = now()
      for (const [within, ms] of Object.entries(horizons)) {
        const [row] = await db
          .select({
            fleet: sql<number>`(count(*) filter (where ${devices.profile} <> 'server'))::int`,
            platform: sql<number>`(count(*) filter (where ${devices.profile} = 'server'))::int`,
          })
          .from(certificates)
          .innerJoin(devices, isTheirs)
          .where(and(isInUse, gt(certificates.notAfter, at), lte(certificates.notAfter, new Date(at.getTime() + ms))))
        gauge.set({ holder: 'fleet', within }, row?.fleet ?? 0)
        gauge.set({ holder: 'platform', within }, row?.platform ?? 0)
      }
    }),
  })

  new Gauge({
    name: 'muster_server_certificate_expiry_timestamp_seconds',
    help: 'The end of the certificates of the platform itself: brokers and provisioners',
    labelNames: ['name'] as const,
    registers,
    collect: quietly(log, async (gauge) => {
      const rows = await db
        .select({ name: devices.id, notAfter: certificates.notAfter })
        .from(certificates)
        .innerJoin(devices, isTheirs)
        .where(and(isInUse, eq(devices.fleet, platformFleet), eq(devices.profile, 'server')))
      for (const { name, notAfter } of rows) gauge.set({ name }, notAfter.getTime() / 1_000)
    }),
  })
}

/** Without the registry there is no figure, and all other metrics are there nevertheless. */
function quietly<Label extends string>(log: Deps['log'], collect: (gauge: Gauge<Label>) => Promise<void>) {
  return async function (this: Gauge<Label>) {
    this.reset()
    await collect(this).catch((err) => log.warn({ err }, 'the ends of certificates could not be looked up'))
  }
}
