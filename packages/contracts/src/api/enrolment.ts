import { z } from 'zod'
import { Name } from '../identity.ts'
import { Instant } from './paging.ts'

export const Attributes = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/), z.string().max(256))
  .refine((record) => Object.keys(record).length <= 32, 'at most 32 attributes')

export const EnrolRequest = z
  .strictObject({
    claim: z.string().min(1).max(256),
    csr: z.string().min(1).max(16_384).describe('PKCS#10, PEM or base64 DER'),
    device: Name.optional().describe('the name, where the claim leaves the choice'),
    attributes: Attributes.optional(),
  })
  .meta({ id: 'EnrolRequest' })
export type EnrolRequest = z.infer<typeof EnrolRequest>

export const Enrolment = z
  .object({
    device: z.object({ id: Name, group: Name, fleet: Name }),
    certificate: z.string().describe('PEM'),
    chain: z.string().describe('the CA certificates between the certificate and the root, PEM, in order'),
    roots: z
      .string()
      .optional()
      .describe('all root certificates to trust from now on, PEM, while roots are being rolled'),
    notAfter: Instant,
    renewAfter: Instant,
    mqtt: z.object({
      url: z.string(),
      clientId: z.string(),
      publish: z.array(z.string()),
      subscribe: z.array(z.string()),
    }),
    serverTime: Instant,
  })
  .meta({ id: 'Enrolment' })
export type Enrolment = z.infer<typeof Enrolment>

export const PendingEnrolment = z
  .object({ status: z.literal('pending'), retryAfter: z.int().describe('seconds') })
  .meta({ id: 'PendingEnrolment' })
export type PendingEnrolment = z.infer<typeof PendingEnrolment>

export const Bootstrap = z
  .object({
    roots: z.string().describe('root certificates, PEM'),
    rootFingerprint: z.string().describe('SHA-256 of the current root, lower-case hex'),
    serverTime: Instant,
  })
  .meta({ id: 'Bootstrap' })
export type Bootstrap = z.infer<typeof Bootstrap>
