import { z } from 'zod'
import { Period, Share, Time } from './units.ts'

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

export const renewalSteps: readonly Step[] = ['renewal-sent', 'renewal-answered', 'next-stored']

const share = { share: Share.default(1).describe('of the devices of the class; at least one') }
const times = { times: z.int().min(1).max(10).default(1).describe('how often it happens to a device') }
const every = (text: '1s' | '5s') => ({ every: Period.prefault(text).describe('between two attempts') })

/** What goes wrong with a share of the devices of a class. Which of them, and when, the seed decides. */
export const Fault = z.discriminatedUnion('do', [
  z
    .strictObject({ do: z.literal('lose-answer'), ...share, to: z.enum(['enrol', 'renew']), ...times })
    .describe('The platform has committed; the device never hears of it, and asks again.'),
  z
    .strictObject({
      do: z.literal('cut-power'),
      ...share,
      after: z
        .union([z.enum(steps), z.literal('any')])
        .default('any')
        .describe('the step that was done last; any: each of those the devices go through, in turn'),
      ...times,
      off: Time.prefault('1s').describe('until it is switched on again'),
    })
    .describe('Off between two steps and on again: what was not durable is gone.'),
  z
    .strictObject({ do: z.literal('boot-twice'), ...share })
    .describe('Two boards with the same claim in their flash, a key each. One of them is the device.'),
  z
    .strictObject({ do: z.literal('clone'), ...share, after: Time.prefault('5s').describe('its first connection') })
    .describe('Key and certificate are copied, and used from somewhere else.'),
  z
    .strictObject({ do: z.literal('steal-claim'), ...share })
    .describe('Somebody else uses the claim after the device has.'),
  z
    .strictObject({ do: z.literal('shelf'), ...share, ended: z.enum(['claim', 'certificate']) })
    .describe('So long in a box that its claim or its certificate has ended.'),
  z
    .strictObject({ do: z.literal('hammer'), ...share, ...every('1s') })
    .describe('Once refused it comes back at once, and again.'),
  z
    .strictObject({ do: z.literal('trespass'), ...share, ...every('5s') })
    .describe("Publishes and subscribes where it must not: others' topics, $SYS, #."),
  z.strictObject({ do: z.literal('malformed'), ...share, ...every('5s') }).describe('Sends what no client may send.'),
  z
    .strictObject({ do: z.literal('slow'), ...share, how: z.enum(['handshake', 'connect', 'read']).default('connect') })
    .describe('Sends one byte at a time, or does not read.'),
  z
    .strictObject({ do: z.literal('wrong-ca'), ...share, ...every('5s') })
    .describe('Shows a certificate with its own name that another CA has signed.'),
  z
    .strictObject({ do: z.literal('lose-keys'), ...share })
    .describe('After it has enrolled its key is gone; it makes another and asks again with its claim.'),
])
export type Fault = z.output<typeof Fault>
export type FaultKind = Fault['do']
