import { z } from 'zod'
import { Name, ProfileName } from '../identity.ts'
import { Duration } from '../units.ts'
import { Instant } from './paging.ts'

const Network = z.union([z.cidrv4(), z.cidrv6()])

export const CreateClaimRequest = z
  .strictObject({
    fleet: Name.default('default'),
    group: Name.default('default'),
    profile: ProfileName.default('device'),
    device: Name.optional(),
    devices: z.array(Name).min(1).max(10_000).optional(),
    uses: z.int().min(1).max(1_000_000).optional().describe('how many keys may use it; 1, or one per named device'),
    expiresIn: Duration.optional(),
    policy: Name.optional().describe('kept by its devices; without, that of their group or fleet is in force'),
    approval: z.boolean().default(false),
    networks: z.array(Network).min(1).max(64).optional(),
    label: z.string().max(128).optional(),
  })
  .refine((request) => !(request.device && request.devices), { message: 'give device or devices', path: ['devices'] })
  .meta({ id: 'CreateClaimRequest' })
export type CreateClaimRequest = z.infer<typeof CreateClaimRequest>

export const CreatedClaim = z
  .object({ id: z.string(), claim: z.string().describe('shown once') })
  .meta({ id: 'CreatedClaim' })
export type CreatedClaim = z.infer<typeof CreatedClaim>

export const Claim = z
  .object({
    id: z.string(),
    fleet: Name,
    group: Name,
    profile: ProfileName,
    policy: Name.nullable(),
    devices: z.array(Name).nullable(),
    uses: z.int(),
    used: z.int(),
    approval: z.boolean(),
    networks: z.array(z.string()).nullable(),
    label: z.string().nullable(),
    expiresAt: Instant.nullable(),
    createdAt: Instant,
  })
  .meta({ id: 'Claim' })
export type Claim = z.infer<typeof Claim>
