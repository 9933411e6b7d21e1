import { sql } from 'drizzle-orm'
import type { Tx } from './open.ts'
import { prepared } from './prepared.ts'
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
  const { detail = {}, requestId = null } = entry
  await prepared(tx, insertEntry).execute({ ...entry, detail, requestId })
}

const { placeholder } = sql
const insertEntry = (tx: Tx) =>
  tx
    .insert(audit)
    .values({
      at: placeholder('at'),
      actor: placeholder('actor'),
      action: placeholder('action'),
      fleet: placeholder('fleet'),
      subject: placeholder('subject'),
      detail: placeholder('detail'),
      requestId: placeholder('requestId'),
    })
    .prepare('record_audit')
