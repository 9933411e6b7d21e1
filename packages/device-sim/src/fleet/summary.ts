import { Latency, type Percentiles, percentilesOf } from '../measure/latency.ts'
import type { Account } from '../worker/account.ts'
import type { Counts } from '../worker/messages.ts'
import type { FleetSettings } from './settings.ts'

export interface FleetCounts extends Counts {
  /** Devices that were refused for good, at enrolment or by the broker. */
  refused: number
}

export interface Summary {
  devices: number
  seed: number
  elapsedMs: number
  counts: Omit<FleetCounts, 'skipped'>
  /** How often something failed, by `<doing>:<code>`, the most frequent first. */
  failures: Record<string, number>
  /** Readings that were not sent because the device was offline or too many were unacknowledged. */
  skipped: number
  /** `overlap`: how long a device had two certificates, from the answer until the platform had seen the new one. */
  latency: Record<'enrol' | 'connect' | 'publish' | 'overlap', Percentiles>
}

export type Tally = ReturnType<typeof createTally>

/** What an endless fleet counts, with what its devices count anyway. */
export function createTally(account: Account, { devices, seed }: Pick<FleetSettings, 'devices' | 'seed'>) {
  const startedAt = performance.now()
  const overlap = new Latency()
  let refused = 0
  const counts = (): FleetCounts => ({ ...account.counts, refused })
  return {
    counts,
    refuse(): void {
      refused += 1
    },
    /** A renewed certificate was admitted. */
    renew(overlapMs: number): void {
      account.counts.renewals += 1
      overlap.record(overlapMs)
    },
    /** Once: times are counted from the last one on. */
    summarise(): Summary {
      const { reasons, latencies } = account.tick()
      const { enrol = [], connect = [], publish = [] } = latencies
      const { skipped, ...others } = counts()
      return {
        ...{ devices, seed, skipped, counts: others },
        elapsedMs: Math.round(performance.now() - startedAt),
        failures: Object.fromEntries(Object.entries(reasons).sort(([, a], [, b]) => b - a)),
        latency: {
          enrol: percentilesOf(enrol),
          connect: percentilesOf(connect),
          publish: percentilesOf(publish),
          overlap: percentilesOf(overlap.buckets()),
        },
      }
    },
  }
}
