import { Name, RevocationReason } from '@muster/contracts'
import { z } from 'zod'
import { Share, Time } from './units.ts'

/** Of which classes; all where none is named. */
const some = { of: z.array(Name).optional(), share: Share.default(1) }

/** One after another; what devices do all the time (telemetry, commands, faults of their own) goes on in each. */
export const Phase = z.discriminatedUnion('do', [
  /** Devices are switched on, evenly over the time. It ends when each is connected or given up. */
  z.strictObject({ do: z.literal('boot'), ...some, over: Time, within: Time.optional() }),
  z.strictObject({ do: z.literal('steady'), for: Time }),
  /** All connections break at once, and come back as soon as they may, within so long. */
  z.strictObject({ do: z.literal('storm'), ...some, offline: Time.default(0), within: Time }),
  /** The operator makes a new issuing CA and activates it; the devices renew under it. */
  z.strictObject({ do: z.literal('rotate'), ...some, within: Time }),
  /** The devices renew their certificates; `newKeys`: with a new key. */
  z.strictObject({ do: z.literal('renew'), ...some, over: Time, newKeys: z.boolean().default(false) }),
  z.strictObject({ do: z.literal('revoke'), ...some, over: Time, reason: RevocationReason.default('keyCompromise') }),
  z.strictObject({ do: z.literal('suspend'), ...some, for: Time }),
  /** Off, a while, and on again, wave by wave: new firmware. */
  z.strictObject({ do: z.literal('firmware'), ...some, over: Time, off: Time.default(3_000) }),
  /** The operator sends commands, so many a second altogether. */
  z.strictObject({ do: z.literal('command'), ...some, for: Time, perSecond: z.number().positive().max(10_000) }),
])
export type Phase = z.output<typeof Phase>
