import { z } from 'zod'
import { Instant } from './paging.ts'

export const AuditEntry = z
  .object({
    seq: z.int(),
    at: Instant,
    actor: z.string(),
    action: z.string(),
    fleet: z.string(),
    subject: z.string(),
    detail: z.record(z.string(), z.unknown()),
    requestId: z.string().nullable(),
  })
  .meta({ id: 'AuditEntry' })
export type AuditEntry = z.infer<typeof AuditEntry>
