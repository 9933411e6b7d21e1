import { Counter, Gauge, type Registry } from 'prom-client'
import type { KeptSnapshot } from '../admission/load-snapshot.ts'
import type { Contact } from './contact.ts'

export interface OutageFigures {
  contact: Pick<Contact, 'isHere' | 'secondsLeft'>
  freshnessMs: number
  snapshot: Pick<KeptSnapshot, 'size' | 'failures'>
  waiting(): { rows: number; bytes: number }
}

/** What tells that the database is away, how long that may go on, and what has come together meanwhile. */
export function addOutageMetrics(registry: Registry, { contact, freshnessMs, snapshot, waiting }: OutageFigures): void {
  const figures: readonly [name: string, help: string, read: () => number][] = [
    ['registry_reachable', 'Whether the database answered when it was last asked', () => Number(contact.isHere())],
    ['freshness_seconds', 'For how long this node may serve as things are', contact.secondsLeft],
    ['freshness_bound_seconds', 'For how long it may serve without the database', () => freshnessMs / 1_000],
    ['snapshot_certificates', 'Certificates for which this node can vouch', snapshot.size],
    ['telemetry_waiting_messages', 'Messages that wait to be stored', () => waiting().rows],
    ['telemetry_waiting_bytes', 'Payloads of messages that wait to be stored', () => waiting().bytes],
  ]
  for (const [name, help, read] of figures) {
    new Gauge({
      name: `muster_broker_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  new Counter({
    name: 'muster_broker_snapshot_failures_total',
    help: 'How often what this node vouches with could not be kept on its disk, or was not as it was written',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(snapshot.failures())
    },
  })
}
