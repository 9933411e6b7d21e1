import { z } from 'zod'
import { Share, Time } from './units.ts'

/** Where the power may go: before the first of them, or right after the one named is done. */
export const steps = [
  'boot',
  'key-stored',
  'root-fetched',
  'enrol-sent',
  'enrol-answered',
  'certificate-stored',
  'connected',
  'published',
  'renewal-sent',
  'renewal-answered',
  'next-stored',
] as const
export type Step = (typeof steps)[number]

const share = { share: Share.default(1) }

/** What goes wrong with a share of the devices of a class. Which of them, and when, the seed decides. */
export const Fault = z.discriminatedUnion('do', [
  /** The platform has committed; the device never hears of it, and asks again. */
  z.strictObject({
    do: z.literal('lose-answer'),
    ...share,
    to: z.enum(['enrol', 'renew']),
    times: z.int().min(1).max(10).default(1),
  }),
  /** Off between two steps and on again: what was not durable is gone. */
  z.strictObject({
    do: z.literal('cut-power'),
    ...share,
    after: z.union([z.enum(steps), z.literal('any')]).default('any'),
    times: z.int().min(1).max(10).default(1),
    off: Time.default(1_000),
  }),
  /** Two boards with the same claim in their flash, a key each. One of them is the device. */
  z.strictObject({ do: z.literal('boot-twice'), ...share }),
  /** Key and certificate are copied, and used from somewhere else. */
  z.strictObject({ do: z.literal('clone'), ...share, after: Time.default(5_000) }),
  /** Somebody else uses the claim after the device has. */
  z.strictObject({ do: z.literal('steal-claim'), ...share }),
  /** So long in a box that its claim (`claim`) or its certificate has ended. */
  z.strictObject({ do: z.literal('shelf'), ...share, ended: z.enum(['claim', 'certificate']) }),
  /** Once refused it comes back at once, and again. */
  z.strictObject({ do: z.literal('hammer'), ...share, every: Time.default(1_000) }),
  /** Publishes and subscribes where it must not: others' topics, `$SYS`, `#`. */
  z.strictObject({ do: z.literal('trespass'), ...share, every: Time.default(5_000) }),
  /** Sends what no client may send. */
  z.strictObject({ do: z.literal('malformed'), ...share, every: Time.default(5_000) }),
  /** Sends one byte at a time, or does not read. */
  z.strictObject({ do: z.literal('slow'), ...share, how: z.enum(['handshake', 'connect', 'read']).default('connect') }),
  /** Shows a certificate with its own name that another CA has signed. */
  z.strictObject({ do: z.literal('wrong-ca'), ...share, every: Time.default(5_000) }),
  /** After it has enrolled its key is gone; it makes another and asks again with its claim. */
  z.strictObject({ do: z.literal('lose-keys'), ...share }),
])
export type Fault = z.output<typeof Fault>
export type FaultKind = Fault['do']
