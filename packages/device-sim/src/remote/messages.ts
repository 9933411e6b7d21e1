import { ClaimToken, MusterError, Name } from '@muster/contracts'
import { z } from 'zod'
import { latencies } from '../observations.ts'
import type { Report } from '../worker/messages.ts'
import { Observation } from './observation.ts'

/** What coordinator and worker say to each other when they are not of one process tree: `worker/messages.ts`, checked. */
const count = z.int().min(0)
const most = 1_000_000

const Assignment = z.strictObject({
  run: Name,
  scenario: z.string().max(262_144),
  from: count.max(most),
  to: count.max(most),
  prefix: Name,
  fleet: Name,
  url: z.url({ protocol: /^https$/ }),
  claims: z.record(Name, ClaimToken),
})

const RemoteOrder = z.discriminatedUnion('order', [
  /** The first one: the worker is this coordinator's now. */
  z.strictObject({ order: z.literal('hire') }),
  z.strictObject({ order: z.literal('assign'), assignment: Assignment }),
  z.strictObject({ order: z.literal('phase'), index: count.max(100), in: count.max(60_000) }),
  z.strictObject({
    order: z.literal('told'),
    what: z.enum(['revoked', 'suspended', 'resumed']),
    devices: z.array(Name).max(most),
  }),
  z.strictObject({ order: z.literal('finish') }),
  z.strictObject({ order: z.literal('stop') }),
])

const Reasons = z.record(z.string().max(200), count)
const Counts = z.strictObject({
  ...{ started: count, enrolled: count, connected: count, connections: count, resumed: count },
  ...{ published: count, acknowledged: count, received: count, commands: count, renewals: count, skipped: count },
})

const RemoteReport = z.discriminatedUnion('report', [
  z.strictObject({ report: z.literal('ready'), pid: count, host: z.string().max(255), rssBytes: count }),
  z.strictObject({ report: z.literal('phase-done'), index: count.max(100) }),
  z.strictObject({
    report: z.literal('tick'),
    at: z.number(),
    counts: Counts,
    latencies: z.partialRecord(z.enum(latencies), z.array(z.tuple([z.int(), count]))),
    reasons: Reasons,
    expected: Reasons,
    usage: z.strictObject({ cpuMs: z.number(), rssBytes: count, heapBytes: count }),
  }),
  z.strictObject({ report: z.literal('observed'), observations: z.array(Observation) }),
  z.strictObject({ report: z.literal('finished'), leftovers: z.array(z.string().max(1_000)) }),
  z.strictObject({ report: z.literal('failed'), error: z.string().max(16_384) }),
])

/** What a worker says when it has nothing to do. */
export const Offer = z.strictObject({ version: z.literal(1), host: z.string().max(255), cpus: z.int().positive() })
export type Offer = z.output<typeof Offer>

/** @throws MusterError `request-invalid` */
export const parseOrder = (message: unknown) => parse(RemoteOrder, message)
export const parseReport = (message: unknown): Report => parse(RemoteReport, message)

function parse<T extends z.ZodType>(schema: T, message: unknown): z.output<T> {
  const { data, error } = schema.safeParse(message)
  if (data !== undefined) return data
  const { path = [], message: what = '' } = error?.issues[0] ?? {}
  throw new MusterError('request-invalid', `is not understood: ${path.join('.')}: ${what}`, { cause: error })
}
