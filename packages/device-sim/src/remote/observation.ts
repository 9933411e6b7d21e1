import { Name } from '@muster/contracts'
import { z } from 'zod'
import type { Observation as Observed } from '../observations.ts'
import { Fault, type FaultKind, steps } from '../scenario/fault.ts'

const faultKinds = Fault.options.map((option) => option.shape.do.value) as [FaultKind, ...FaultKind[]]

const of = { device: Name, at: z.number() }
const text = z.string().max(1_000)
const count = z.int().min(0)
const attacker = { attacker: z.boolean().exactOptional() }
const topic = { topic: z.string().max(65_535) }
const doing = z.enum(['enrol', 'renew', 'connect', 'publish', 'subscribe'])
const states = z.enum(['working', 'refused', 'off', 'stuck'])

/** What a worker on another machine says that its devices saw: `observations.ts`, checked. */
export const Observation = z.discriminatedUnion('saw', [
  z.strictObject({
    ...of,
    saw: z.literal('certificate'),
    serial: text,
    notAfter: z.number(),
    by: z.enum(['enrol', 'renew']),
    ...attacker,
  }),
  z.strictObject({
    ...of,
    saw: z.literal('connected'),
    serial: text,
    resumed: z.boolean(),
    begunAt: z.number().exactOptional(),
    ...attacker,
  }),
  z.strictObject({
    ...of,
    saw: z.literal('closed'),
    serial: text,
    reasonCode: z.int().exactOptional(),
    byUs: z.boolean(),
    ...attacker,
  }),
  z.strictObject({ ...of, saw: z.literal('refused'), doing, code: text, ...attacker }),
  z.strictObject({ ...of, saw: z.literal('acknowledged'), ...topic, from: count, to: count }),
  z.strictObject({ ...of, saw: z.literal('sent-again'), ...topic, n: count }),
  z.strictObject({ ...of, saw: z.literal('sent'), ...topic, last: count }),
  z.strictObject({ ...of, saw: z.literal('heard-revoked'), ...topic, ...attacker }),
  z.strictObject({
    ...of,
    saw: z.literal('trespass'),
    doing: z.enum(['publish', 'subscribe']),
    ...topic,
    accepted: z.boolean(),
  }),
  z.strictObject({ ...of, saw: z.literal('overheard'), ...topic }),
  z.strictObject({
    ...of,
    saw: z.literal('fault'),
    fault: z.enum(faultKinds),
    step: z.enum(steps).exactOptional(),
  }),
  z.strictObject({
    ...of,
    saw: z.literal('end'),
    state: states,
    code: text.exactOptional(),
    serial: text.exactOptional(),
  }),
])

/** Both have the same fields: what one of them gets and the other does not, the compiler names here. */
type Fields<Type> = Type extends { saw: infer Saw extends string } ? `${Saw}.${Extract<keyof Type, string>}` : never
type Differences =
  | Exclude<Fields<Observed>, Fields<z.output<typeof Observation>>>
  | Exclude<Fields<z.output<typeof Observation>>, Fields<Observed>>
true satisfies [Differences] extends [never] ? true : Differences
