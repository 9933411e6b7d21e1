import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Percentiles } from './measure/latency.ts'

export interface Counts {
  started: number
  enrolled: number
  /** Devices connected at this moment. */
  connected: number
  connections: number
  /** Devices that were refused for good, at enrolment or by the broker. */
  refused: number
  published: number
  acknowledged: number
  commands: number
  /** Certificates that were renewed and then admitted by the platform. */
  renewals: number
}

/** `overlap`: how long a device had two certificates, from the answer until the platform had seen the new one. */
type Latency = 'enrol' | 'connect' | 'publish' | 'overlap'
export type Step = Exclude<Latency, 'overlap'> | 'subscribe' | 'renew'

export interface Summary {
  devices: number
  seed: number
  elapsedMs: number
  counts: Counts
  /** How often something failed, by `<step>:<code>`. */
  failures: Record<string, number>
  /** Readings that were not sent because the device was offline or too many were unacknowledged. */
  skipped: number
  latency: Record<Latency, Percentiles>
}

export interface Statistics {
  counts: Counts
  skipped: number
  record(latency: Latency, ms: number): void
  fail(step: Step, code: string): void
  summarise(devices: number, seed: number): Summary
}

export function createStatistics(): Statistics {
  const startedAt = performance.now()
  const failures = new Map<string, number>()
  const histograms = {
    enrol: createHistogram(),
    connect: createHistogram(),
    publish: createHistogram(),
    overlap: createHistogram(),
  }
  const statistics: Statistics = {
    counts: {
      started: 0,
      enrolled: 0,
      connected: 0,
      connections: 0,
      refused: 0,
      published: 0,
      acknowledged: 0,
      commands: 0,
      renewals: 0,
    },
    skipped: 0,
    // Histograms hold integers above zero: microseconds.
    record: (latency, ms) => histograms[latency].record(Math.max(1, Math.round(ms * 1_000))),
    fail(step, code) {
      const reason = `${step}:${code}`
      failures.set(reason, (failures.get(reason) ?? 0) + 1)
    },
    summarise: (devices, seed) => ({
      devices,
      seed,
      elapsedMs: Math.round(performance.now() - startedAt),
      counts: { ...statistics.counts },
      failures: Object.fromEntries([...failures].sort(([, a], [, b]) => b - a)),
      skipped: statistics.skipped,
      latency: {
        enrol: percentilesOf(histograms.enrol),
        connect: percentilesOf(histograms.connect),
        publish: percentilesOf(histograms.publish),
        overlap: percentilesOf(histograms.overlap),
      },
    }),
  }
  return statistics
}

export function percentilesOf(histogram: RecordableHistogram): Percentiles {
  const at = (percentile: number) => (histogram.count === 0 ? 0 : histogram.percentile(percentile) / 1_000)
  return { count: histogram.count, p50: at(50), p90: at(90), p99: at(99), max: at(100) }
}
