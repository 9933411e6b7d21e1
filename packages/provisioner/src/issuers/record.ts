import type { X509Certificate } from 'node:crypto'
import { type IssuerState, issuersChannel, platformFleet } from '@muster/contracts'
import { issuers, recordAudit, type Tx } from '@muster/db'
import { certificateFingerprint } from '@muster/pki'
import { eq, sql } from 'drizzle-orm'
import type { IssuerRow } from './trust.ts'

interface Trace {
  actor: string
  action: 'issuer.create' | 'issuer.prepare' | 'issuer.activate' | 'issuer.retire'
  requestId?: string | undefined
  at: Date
}

interface NewIssuer extends Pick<IssuerRow, 'name' | 'kind' | 'state'> {
  certificate: X509Certificate
}

export async function recordIssuer(
  tx: Tx,
  { name, kind, state, certificate }: NewIssuer,
  trace: Trace,
): Promise<IssuerRow> {
  const fingerprint = certificateFingerprint(certificate.raw)
  const row = {
    ...{ name, kind, state, fingerprint, der: certificate.raw },
    ...{ notAfter: certificate.validToDate, createdAt: trace.at, stateAt: trace.at },
  }
  await tx.insert(issuers).values(row)
  await recordAudit(tx, { ...trace, fleet: platformFleet, subject: name, detail: { kind, fingerprint } })
  await announceIssuer(tx, name)
  return row
}

/** The one way an issuer changes state. */
export async function changeIssuer(
  tx: Tx,
  { name, state: from }: Pick<IssuerRow, 'name' | 'state'>,
  state: IssuerState,
  { detail, ...trace }: Trace & { detail?: Record<string, unknown> },
): Promise<void> {
  await tx.update(issuers).set({ state, stateAt: trace.at }).where(eq(issuers.name, name))
  await recordAudit(tx, { ...trace, fleet: platformFleet, subject: name, detail: { from, to: state, ...detail } })
  await announceIssuer(tx, name)
}

async function announceIssuer(tx: Tx, name: string): Promise<void> {
  await tx.execute(sql`select pg_notify(${issuersChannel}, ${name})`)
}
