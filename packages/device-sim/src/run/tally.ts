import { Latency, type LatencyBuckets, type Percentiles, percentilesOf } from '../measure/latency.ts'
import type { LatencyName } from '../observations.ts'
import type { RunReport } from '../report/run-report.ts'
import { type Counts, noCounts, type Tick } from '../worker/messages.ts'
import type { LiveState } from './live.ts'

const recentSeconds = 10

type ByName<Value> = Partial<Record<LatencyName, Value>>
export type Usage = { cpuMs: number; rssPeakBytes: number; rssBytes: number; cpuShare: number }

const countNames = Object.keys(noCounts) as (keyof Counts)[]

/** Adds up what workers tell, and what the coordinator itself has measured. */
export type Tally = ReturnType<typeof createTally>

export function createTally() {
  const ticks = new Map<string, Tick>()
  const usages = new Map<string, Usage>()
  const own: Seen = { reasons: {}, expected: {} }
  const totals = new Map<LatencyName, Latency>()
  let second = new Map<LatencyName, Latency>()
  const recent: ByName<LatencyBuckets>[] = []
  const timeline: RunReport['timeline'] = []

  const record = (name: LatencyName, into: (latency: Latency) => void) => {
    for (const histograms of [totals, second]) into(at(histograms, name))
  }

  const counts = (): Counts => {
    const sum = { ...noCounts }
    for (const tick of ticks.values()) for (const name of countNames) sum[name] += tick.counts[name]
    return sum
  }

  const reasons = () => sumReasons([own, ...ticks.values()])

  return {
    counts,
    reasons,
    timeline: timeline as readonly RunReport['timeline'][number][],
    usages: usages as ReadonlyMap<string, Usage>,

    add(worker: string, tick: Tick): void {
      usages.set(worker, measure(usages.get(worker), ticks.get(worker), tick))
      ticks.set(worker, tick)
      for (const [name, buckets] of Object.entries(tick.latencies))
        record(name as LatencyName, (latency) => latency.add(buckets))
    },

    /** One that the coordinator has measured. */
    record: (name: LatencyName, ms: number) => record(name, (latency) => latency.record(ms)),

    /** A reason that the coordinator has seen; `expected`: a fault or a network explains it. */
    count(reason: string, expected: boolean): void {
      for (const counts of expected ? [own.reasons, own.expected] : [own.reasons])
        counts[reason] = (counts[reason] ?? 0) + 1
    },

    /** The end of a second: a point of the timeline. */
    endSecond(now: number): void {
      const buckets = mapNames(second, (latency) => latency.buckets())
      second = new Map()
      recent.push(buckets)
      if (recent.length > recentSeconds) recent.shift()
      const errors = { expected: 0, unexpected: 0 }
      for (const { count, expected } of reasons()) errors[expected ? 'expected' : 'unexpected'] += count
      timeline.push({ at: now, counts: counts(), latencies: mapValues(buckets, percentilesOf), errors })
    },

    /** Over the last ten seconds. */
    recentLatencies(): ByName<Percentiles> {
      const merged = new Map<LatencyName, Latency>()
      for (const buckets of recent)
        for (const [name, some] of Object.entries(buckets)) at(merged, name as LatencyName).add(some)
      return mapNames(merged, (latency) => percentilesOf(latency.buckets()))
    },

    latencies: (): RunReport['latencies'] =>
      mapNames(totals, (latency) => ({ percentiles: percentilesOf(latency.buckets()), buckets: latency.buckets() })),

    rates: () => ratesOf(timeline),
  }
}

type Seen = Pick<Tick, 'reasons' | 'expected'>

function sumReasons(everybody: readonly Seen[]): RunReport['reasons'] {
  const all = new Map<string, number>()
  const expected = new Map<string, number>()
  const add = (to: Map<string, number>, some: Record<string, number>) => {
    for (const [reason, count] of Object.entries(some)) to.set(reason, (to.get(reason) ?? 0) + count)
  }
  for (const { reasons, expected: explained } of everybody) {
    add(all, reasons)
    add(expected, explained)
  }
  const unexpected = [...all].map(([reason, count]) => ({ reason, count: count - (expected.get(reason) ?? 0) }))
  return [
    ...unexpected.filter(({ count }) => count > 0).map((one) => ({ ...one, expected: false })),
    ...[...expected].map(([reason, count]) => ({ reason, count, expected: true })),
  ].sort((a, b) => b.count - a.count || a.reason.localeCompare(b.reason))
}

/** A second, between the last two points. */
function ratesOf(timeline: RunReport['timeline']): LiveState['rates'] {
  const [before, now] = timeline.slice(-2)
  const rate = (name: keyof Counts) =>
    before && now ? Math.max(0, ((now.counts[name] - before.counts[name]) * 1_000) / (now.at - before.at)) : 0
  return {
    ...{ enrolled: rate('enrolled'), connections: rate('connections'), published: rate('published') },
    ...{ acknowledged: rate('acknowledged'), received: rate('received') },
  }
}

function at(histograms: Map<LatencyName, Latency>, name: LatencyName): Latency {
  const found = histograms.get(name) ?? new Latency()
  histograms.set(name, found)
  return found
}

function measure(usage: Usage | undefined, before: Tick | undefined, { at, usage: now }: Tick): Usage {
  const ms = before ? at - before.at : 0
  return {
    cpuMs: now.cpuMs,
    rssBytes: now.rssBytes,
    rssPeakBytes: Math.max(usage?.rssPeakBytes ?? 0, now.rssBytes),
    cpuShare: before && ms > 0 ? (now.cpuMs - before.usage.cpuMs) / ms : 0,
  }
}

const mapNames = <Value>(histograms: Map<LatencyName, Latency>, map: (latency: Latency) => Value): ByName<Value> =>
  Object.fromEntries([...histograms].map(([name, latency]) => [name, map(latency)]))

const mapValues = <From, To>(values: ByName<From>, map: (value: From) => To): ByName<To> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value as From)]))
