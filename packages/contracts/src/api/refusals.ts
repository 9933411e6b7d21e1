import { z } from 'zod'
import { errorCodes } from '../errors.ts'
import { Name } from '../identity.ts'
import { Instant, PageQuery } from './paging.ts'

export const Refusal = z
  .object({
    fleet: Name.nullable().describe('null where none was named that exists'),
    device: z.string().nullable().describe('the device, or whom somebody claims to be'),
    code: z.enum(errorCodes),
    address: z.string().describe('* where more were refused than are kept one by one'),
    proven: z.boolean().describe('it was the device; otherwise somebody only used its name'),
    detail: z.string(),
    subject: z.string().nullable().describe('of the certificate that was shown'),
    serial: z.string().nullable(),
    issuer: z.string().nullable(),
    alert: z.boolean().describe('somebody should look'),
    count: z.int(),
    firstAt: Instant,
    lastAt: Instant,
    advice: z.object({ operator: z.string(), device: z.string() }).describe('what to do'),
  })
  .meta({ id: 'Refusal' })
export type Refusal = z.infer<typeof Refusal>

/** All fleets, and those that name none, unless `fleet` says which. */
export const RefusalsQuery = PageQuery.extend({
  fleet: Name.optional(),
  device: Name.optional(),
  code: z.enum(errorCodes).optional(),
  address: z.string().max(64).optional(),
  since: z.iso.datetime().optional().describe('refused again since then'),
  alert: z.enum(['true']).optional().describe('only what somebody should look at'),
})
export type RefusalsQuery = z.infer<typeof RefusalsQuery>
