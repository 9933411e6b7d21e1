import { z } from 'zod'
import { certificateStates } from '../certificate-state.ts'
import { RevocationReason } from '../changes.ts'
import { DeviceState } from '../device-state.ts'
import { Name, ProfileName } from '../identity.ts'
import { PolicyLevel } from '../policy-source.ts'
import { Instant } from './paging.ts'

export const Certificate = z
  .object({
    serial: z.string(),
    fleet: Name,
    device: Name,
    issuer: z.string(),
    fingerprint: z.string(),
    state: z.enum(certificateStates),
    notBefore: Instant,
    notAfter: Instant,
    revokedAt: Instant.nullable(),
    revocationReason: RevocationReason.nullable(),
  })
  .meta({ id: 'Certificate' })
export type Certificate = z.infer<typeof Certificate>

export const Device = z
  .object({
    id: Name,
    fleet: Name,
    group: Name,
    policy: Name.describe('in force'),
    policyFrom: PolicyLevel.describe('where it is attached, the most specific place'),
    profile: ProfileName,
    state: DeviceState,
    attributes: z.record(z.string(), z.string()),
    keyFingerprint: z.string(),
    enrolledAt: Instant,
    stateAt: Instant,
    connected: z.boolean(),
    node: z.string().nullable(),
    connectedAt: Instant.nullable(),
    seenAt: Instant.nullable(),
    sessionEndsAt: Instant.nullable().describe(
      'until when a broker keeps its session while it is away, with the messages that wait for it; null where nothing is kept',
    ),
    clockSkewSeconds: z.int().nullable().describe('positive where the device is ahead'),
  })
  .meta({ id: 'Device' })
export type Device = z.infer<typeof Device>

export const ChangedDevice = Device.extend({
  change: z.string().nullable().describe('GET /v1/changes/{id} has its receipts; null where brokers need not act'),
}).meta({ id: 'ChangedDevice' })
export type ChangedDevice = z.infer<typeof ChangedDevice>

export const UpdateDeviceRequest = z
  .strictObject({ group: Name.optional(), policy: Name.nullable().optional() })
  .refine(({ group, policy }) => group !== undefined || policy !== undefined, 'give group, policy or both')
  .meta({ id: 'UpdateDeviceRequest' })
export type UpdateDeviceRequest = z.infer<typeof UpdateDeviceRequest>

export const RevokeRequest = z
  .strictObject({ reason: RevocationReason.default('unspecified') })
  .meta({ id: 'RevokeRequest' })
export type RevokeRequest = z.infer<typeof RevokeRequest>

export const AcceptedRevocation = z.object({ revocation: z.string(), at: Instant }).meta({ id: 'AcceptedRevocation' })
export type AcceptedRevocation = z.infer<typeof AcceptedRevocation>

export const Revocation = z
  .object({
    revocation: z.string(),
    device: Name,
    reason: RevocationReason,
    at: Instant,
    complete: z.boolean().describe('every broker node that may hold a session has answered'),
    nodes: z.array(z.object({ node: z.string(), connectionsClosed: z.int(), sessionPurged: z.boolean(), at: Instant })),
  })
  .meta({ id: 'Revocation' })
export type Revocation = z.infer<typeof Revocation>
