import { z } from 'zod'
import { issuerStates } from '../certificate-state.ts'
import { Name } from '../identity.ts'
import { Duration } from '../units.ts'
import { Instant } from './paging.ts'

export const Issuer = z
  .object({
    name: Name,
    kind: z.enum(['root', 'issuing', 'cross']),
    state: z.enum(issuerStates),
    fingerprint: z.string(),
    notAfter: Instant,
    createdAt: Instant,
    certificates: z.int().describe('active and pending certificates that it has issued and that have not expired'),
    trustedBy: z.array(z.object({ node: z.string(), at: Instant })),
    confirmedBy: z.int().describe('devices that have said they trust it; roots only'),
    missing: z.array(z.string()).describe('broker nodes that have not said yet that they trust it'),
  })
  .meta({ id: 'Issuer' })
export type Issuer = z.infer<typeof Issuer>

export const PrepareIssuerRequest = z
  .strictObject({
    name: Name,
    kind: z.enum(['issuing', 'root']).default('issuing').describe('a root comes with its cross certificate'),
  })
  .meta({ id: 'PrepareIssuerRequest' })
export type PrepareIssuerRequest = z.infer<typeof PrepareIssuerRequest>

export const ActivateIssuerRequest = z
  .strictObject({
    renewWithin: Duration.optional().describe('until when certificates of the issuer before are to be renewed'),
  })
  .meta({ id: 'ActivateIssuerRequest' })
export type ActivateIssuerRequest = z.infer<typeof ActivateIssuerRequest>

export const RetireIssuerRequest = z
  .strictObject({ force: z.boolean().default(false).describe('also while certificates depend on it: they die') })
  .meta({ id: 'RetireIssuerRequest' })
export type RetireIssuerRequest = z.infer<typeof RetireIssuerRequest>

/** What ends when, and who is lost if nothing can be renewed for a while. Late devices of fleets that allow it are not lost. */
export const Forecast = z
  .object({
    expiring: z
      .array(z.object({ within: z.string().describe('like 24h'), certificates: z.int(), servers: z.int() }))
      .describe('certificates in use by when they end; each number includes those before it'),
    outage: z.object({
      hours: z.int(),
      devices: z.int().describe('whose last certificate ends within these hours'),
      first: z
        .array(z.object({ fleet: Name, device: Name, notAfter: Instant }))
        .describe('of them, those that end first'),
    }),
  })
  .meta({ id: 'Forecast' })
export type Forecast = z.infer<typeof Forecast>
