import { Name, RevocationReason } from '@muster/contracts'
import { z } from 'zod'
import { Share, Time } from './units.ts'

const some = {
  of: z.array(Name).min(1).optional().describe('classes; all where none is named'),
  share: Share.default(1).describe('of their devices; at least one'),
}
const over = { over: Time.describe('the devices have their turns evenly over this time') }
const within = {
  within: Time.prefault('60s').describe('after the last turn, most that is waited until each device is done'),
}

/** One after another; what devices do all the time (telemetry, commands, faults of their own) goes on in each. */
export const Phase = z.discriminatedUnion('do', [
  z
    .strictObject({ do: z.literal('boot'), ...some, ...over, ...within })
    .describe('Devices are switched on. It ends when each is connected or given up.'),
  z.strictObject({ do: z.literal('steady'), for: Time }).describe('Nothing more than what devices do all the time.'),
  z
    .strictObject({
      do: z.literal('storm'),
      ...some,
      offline: Time.prefault('0s').describe('until the first may come back'),
      ...within,
    })
    .describe('All connections break at once, and come back as soon as they may.'),
  z
    .strictObject({ do: z.literal('rotate'), ...some, ...over, ...within })
    .describe('The operator makes a new issuing CA and activates it; the devices renew under it.'),
  z
    .strictObject({
      do: z.literal('renew'),
      ...some,
      ...over,
      ...within,
      newKeys: z.boolean().default(false).describe('each with a new key'),
    })
    .describe('The devices renew their certificates.'),
  z
    .strictObject({
      do: z.literal('revoke'),
      ...some,
      ...over,
      ...within,
      reason: RevocationReason.default('keyCompromise'),
    })
    .describe('The operator revokes devices. They take no part in later phases.'),
  z
    .strictObject({ do: z.literal('suspend'), ...some, for: Time.describe('until they are resumed') })
    .describe('The operator suspends devices, and resumes them at the end of the phase.'),
  z
    .strictObject({
      do: z.literal('firmware'),
      ...some,
      ...over,
      waves: z.int().min(1).max(1_000).optional().describe('so many at once, at equal distances; without, one by one'),
      off: Time.prefault('3s').describe('how long a restart takes'),
      ...within,
    })
    .describe('Off, a while, and on again: new firmware.'),
  z
    .strictObject({
      do: z.literal('command'),
      ...some,
      for: Time,
      perSecond: z.number().positive().max(10_000).describe('altogether, to one device after the other'),
      ...within,
    })
    .describe('The operator sends commands.'),
])
export type Phase = z.output<typeof Phase>
