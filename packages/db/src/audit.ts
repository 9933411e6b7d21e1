import type { Tx } from './open.ts'
import { audit } from './schema/audit.ts'

export interface AuditEntry {
  actor: string
  action: string
  fleet: string
  subject: string
  detail?: Record<string, unknown> | undefined
  requestId?: string | undefined
  at: Date
}

/** Promise 7: takes a transaction, so that the entry stands or falls with the change it is about. */
export async function recordAudit(tx: Tx, entry: AuditEntry): Promise<void> {
  await tx.insert(audit).values({ ...entry, detail: entry.detail ?? {} })
}
