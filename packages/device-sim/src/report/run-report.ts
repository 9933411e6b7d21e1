import { z } from 'zod'
import { invariantNames } from '../invariants/invariant.ts'
import { latencies } from '../observations.ts'

const text = z.string().max(10_000)
const count = z.int().nonnegative()
const amount = z.number().nonnegative()
/** Epoch milliseconds. */
const instant = z.int()
const manyOf = <One extends z.ZodType>(one: One, most: number) => z.array(one).max(most)

export const reportVersion = 1

const Percentiles = z.strictObject({ count, p50: amount, p90: amount, p99: amount, max: amount })
const byLatency = <One extends z.ZodType>(one: One) => z.partialRecord(z.enum(latencies), one)

const Counts = z.strictObject({
  ...{ started: count, enrolled: count, connected: count, connections: count, resumed: count, published: count },
  ...{ acknowledged: count, received: count, commands: count, renewals: count, skipped: count },
})

const TimelinePoint = z.strictObject({
  at: instant,
  /** Totals since the start. */
  counts: Counts,
  errors: z.strictObject({ expected: count, unexpected: count }),
  latencies: byLatency(Percentiles),
})
export type TimelinePoint = z.output<typeof TimelinePoint>

const Phase = z.strictObject({
  name: text,
  startedAt: instant,
  endedAt: instant,
  /** Why it ended, where not as planned. */
  problem: text.exactOptional(),
})

const SloResult = z.strictObject({
  name: text,
  wanted: text,
  found: text,
  met: z.boolean(),
  /** Where it is about a percentile: its line is drawn into the histogram. */
  limit: z
    .strictObject({ latency: z.enum(latencies), percentile: z.enum(['p50', 'p90', 'p99', 'max']), ms: amount })
    .exactOptional(),
})

const InvariantResult = z.strictObject({
  name: z.enum(invariantNames),
  statement: text,
  held: z.boolean(),
  checked: count,
  violations: count,
  examples: manyOf(z.strictObject({ device: text.exactOptional(), at: z.number(), what: text }), 10_000),
})

const Process = z.strictObject({
  name: text,
  pid: count,
  host: text,
  cpuMs: amount,
  rssPeakBytes: amount,
  perDeviceBytes: amount.exactOptional(),
})

/** All that a run has to say. The HTML page holds it, too: what is shown there is drawn from nothing else. */
export const RunReport = z.strictObject({
  version: z.literal(reportVersion),
  run: text,
  /** As it was played. */
  scenario: z.strictObject({ name: text, title: text, seed: z.int(), devices: count, yaml: z.string().max(1_000_000) }),
  startedAt: instant,
  elapsedMs: amount,
  /** Where the load was played, and on what. */
  machine: z.strictObject({ cpus: count, model: text, memoryBytes: amount, node: text, os: text }),
  platform: z.strictObject({ url: text, version: text.exactOptional() }),
  /** What was not played, or not judged, because it needs more than a broker; a line each. */
  skipped: manyOf(text, 1_000).exactOptional(),
  phases: manyOf(Phase, 1_000),
  /** One each second. */
  timeline: manyOf(TimelinePoint, 1_000_000),
  totals: Counts,
  latencies: byLatency(
    z.strictObject({
      percentiles: Percentiles,
      buckets: manyOf(z.tuple([z.int().min(-2_000).max(2_000), count]), 4_001),
    }),
  ),
  /** By `<doing>:<code>`; `expected`: a fault of the scenario, its network, or what the operator did, explains it. */
  reasons: manyOf(z.strictObject({ reason: text, count, expected: z.boolean() }), 100_000),
  invariants: manyOf(InvariantResult, 100),
  slos: manyOf(SloResult, 1_000),
  /** Of every process that is known: the workers' own, and the platform's where it can be measured. */
  processes: manyOf(Process, 100_000),
  /** The devices as they ended. */
  ends: z.strictObject({ working: count, refused: count, off: count, stuck: count }),
  /** One reason a line, none where it passed. */
  verdict: z.strictObject({ passed: z.boolean(), reasons: manyOf(text, 10_000) }),
})
export type RunReport = z.output<typeof RunReport>
