import { z } from 'zod'
import { Name } from '../identity.ts'
import { FleetQuery, Instant, PageQuery } from './paging.ts'

export const TelemetryMessage = z
  .object({
    topic: z.string(),
    payload: z.string(),
    encoding: z.enum(['utf8', 'base64']).describe('base64 where the payload is not UTF-8'),
    qos: z.int(),
    duplicate: z
      .boolean()
      .describe(
        'it may be the same message as an earlier one: it was sent again, or written again after an interruption',
      ),
    receivedAt: Instant,
  })
  .meta({ id: 'TelemetryMessage' })
export type TelemetryMessage = z.infer<typeof TelemetryMessage>

export const FleetTelemetryMessage = TelemetryMessage.extend({ device: Name }).meta({ id: 'FleetTelemetryMessage' })
export type FleetTelemetryMessage = z.infer<typeof FleetTelemetryMessage>

export const TelemetryQuery = FleetQuery.extend(PageQuery.shape).extend({
  prefix: Name.optional().describe('only of devices whose names begin so'),
})
export type TelemetryQuery = z.infer<typeof TelemetryQuery>
