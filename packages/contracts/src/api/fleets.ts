import { z } from 'zod'
import { cloneActions } from '../clone-action.ts'
import { Name } from '../identity.ts'
import { Instant } from './paging.ts'

const OnClone = z.enum(cloneActions).describe('what happens to a certificate that is in use in two places')
const LateRenewalDays = z.int().min(0).max(3_650).describe('for how long after its end a certificate may still renew')

export const Fleet = z
  .object({
    name: Name,
    lateRenewalDays: LateRenewalDays,
    policy: Name.nullable().describe('in force where nothing more specific is attached; null: the presets'),
    onClone: OnClone,
    createdAt: Instant,
  })
  .meta({ id: 'Fleet' })
export type Fleet = z.infer<typeof Fleet>

export const UpdateFleetRequest = z
  .strictObject({
    lateRenewalDays: LateRenewalDays.optional(),
    policy: Name.nullable().optional(),
    onClone: OnClone.optional(),
  })
  .refine((request) => Object.values(request).some((value) => value !== undefined), 'there is nothing to change')
  .meta({ id: 'UpdateFleetRequest' })
export type UpdateFleetRequest = z.infer<typeof UpdateFleetRequest>

export const ChangedFleet = Fleet.extend({
  change: z.string().nullable().describe('GET /v1/changes/{id} has its receipts; null where brokers need not act'),
}).meta({ id: 'ChangedFleet' })
export type ChangedFleet = z.infer<typeof ChangedFleet>

export const CreateFleetRequest = z.strictObject({ name: Name }).meta({ id: 'CreateFleetRequest' })
export type CreateFleetRequest = z.infer<typeof CreateFleetRequest>
