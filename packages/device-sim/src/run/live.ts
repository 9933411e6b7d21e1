import type { InvariantVerdict } from '../invariants/invariant.ts'
import type { Percentiles } from '../measure/latency.ts'
import type { LatencyName } from '../observations.ts'
import type { Counts } from '../worker/messages.ts'

/** What is shown while a run is on, once a second. */
export interface LiveState {
  scenario: string
  devices: number
  elapsedMs: number
  phase: {
    index: number
    count: number
    name: string
    elapsedMs: number /** 0 to 1; undefined where it ends by itself. */
    progress: number | undefined
  }
  counts: Counts
  /** A second, over the last one. */
  rates: Pick<Counts, 'enrolled' | 'connections' | 'published' | 'acknowledged' | 'received'>
  /** Over the last ten seconds. */
  latencies: Partial<Record<LatencyName, Percentiles>>
  reasons: { reason: string; count: number; expected: boolean }[]
  invariants: InvariantVerdict[]
  workers: { name: string; cpuShare: number; rssBytes: number }[]
}
