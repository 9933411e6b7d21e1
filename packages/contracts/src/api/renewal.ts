import { z } from 'zod'
import { Name } from '../identity.ts'
import { Instant } from './paging.ts'

/** SHA-256 of a certificate's DER, lower-case hex. */
const Fingerprint = z.string().regex(/^[0-9a-f]{64}$/)

export const RenewRequest = z
  .strictObject({
    csr: z.string().min(1).max(16_384).describe('PKCS#10, PEM or base64 DER; with the same key or a new one'),
    deviceTime: Instant.optional().describe('what the device believes the time to be'),
    roots: z.array(Fingerprint).max(8).optional().describe('the roots the device trusts, by fingerprint'),
  })
  .meta({ id: 'RenewRequest' })
export type RenewRequest = z.infer<typeof RenewRequest>

export const RenewalWindow = z
  .object({ window: z.object({ start: Instant, end: Instant }), serverTime: Instant })
  .meta({ id: 'RenewalWindow' })
export type RenewalWindow = z.infer<typeof RenewalWindow>

/** A window pulled forward for all that matches what is named; nothing named means every device. */
export const PullRenewalRequest = z
  .strictObject({
    fleet: Name.optional(),
    group: Name.optional(),
    device: Name.optional(),
    issuer: Name.optional(),
    start: Instant.optional().describe('now, where absent'),
    end: Instant.optional().describe('one hour after the start, where absent'),
  })
  .meta({ id: 'PullRenewalRequest' })
export type PullRenewalRequest = z.infer<typeof PullRenewalRequest>

export const PulledRenewal = z
  .object({
    id: z.string(),
    fleet: Name.nullable(),
    group: Name.nullable(),
    device: Name.nullable(),
    issuer: Name.nullable(),
    start: Instant,
    end: Instant,
    createdAt: Instant,
  })
  .meta({ id: 'PulledRenewal' })
export type PulledRenewal = z.infer<typeof PulledRenewal>

/** The one level below a device's topic that belongs to the platform: renewal over MQTT. */
export const renewalTopics = ({ fleet, device }: { fleet: string; device: string }) => ({
  request: `fleets/${fleet}/devices/${device}/renewal/request`,
  response: `fleets/${fleet}/devices/${device}/renewal/response`,
})
