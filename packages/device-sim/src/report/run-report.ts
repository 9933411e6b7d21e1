import type { InvariantVerdict } from '../invariants/invariant.ts'
import type { LatencyBuckets, Percentiles } from '../measure/latency.ts'
import type { LatencyName } from '../observations.ts'
import type { Counts } from '../worker/messages.ts'

export const reportVersion = 1

/** All that a run has to say. The HTML page holds it, too: what is shown there is drawn from nothing else. */
export interface RunReport {
  version: typeof reportVersion
  run: string
  scenario: { name: string; title: string; seed: number; devices: number /** As it was played. */; yaml: string }
  /** Epoch milliseconds. */
  startedAt: number
  elapsedMs: number
  /** Where the load was played, and on what. */
  machine: { cpus: number; model: string; memoryBytes: number; node: string; os: string }
  platform: { url: string; version?: string }
  phases: {
    name: string
    startedAt: number
    endedAt: number /** Why it ended, where not as planned. */
    problem?: string
  }[]
  /** One each second. */
  timeline: TimelinePoint[]
  totals: Counts
  latencies: Partial<Record<LatencyName, { percentiles: Percentiles; buckets: LatencyBuckets }>>
  /** By `<doing>:<code>`; `expected`: a fault of the scenario, or what the operator did, explains it. */
  reasons: { reason: string; count: number; expected: boolean }[]
  invariants: InvariantVerdict[]
  slos: SloResult[]
  /** Of every process that is known: the workers' own, and the platform's where it can be measured. */
  processes: { name: string; pid: number; host: string; cpuMs: number; rssPeakBytes: number; perDeviceBytes?: number }[]
  /** The devices as they ended. */
  ends: Record<'working' | 'refused' | 'off' | 'stuck', number>
  verdict: { passed: boolean /** One line each, empty where it passed. */; reasons: string[] }
}

export interface TimelinePoint {
  at: number
  /** Totals since the start. */
  counts: Counts
  errors: { expected: number; unexpected: number }
  latencies: Partial<Record<LatencyName, Percentiles>>
}

export interface SloResult {
  name: string
  wanted: string
  found: string
  met: boolean
  /** Where it is about a percentile: its line is drawn into the histogram. */
  limit?: { latency: LatencyName; percentile: 'p50' | 'p90' | 'p99' | 'max'; ms: number }
}
