import type { Identity } from '@muster/contracts'
import { certificates, type Tx } from '@muster/db'
import { issueCertificate } from '@muster/pki'
import { and, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'

export type CertificateRow = typeof certificates.$inferSelect

/** Clocks of devices run behind. */
const backdateMs = 300_000

/** Signs and records a certificate in the caller's transaction. It must not leave the process before that is committed. */
export async function issueRecorded(
  ctx: Context,
  tx: Tx,
  { identity, spki }: { identity: Identity; spki: Buffer },
): Promise<CertificateRow> {
  const { issuer, settings, metrics } = ctx
  const now = ctx.now().getTime()
  const started = performance.now()
  const issued = await issueCertificate(issuer, {
    identity,
    spki,
    trustDomain: settings.trustDomain,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(Math.min(now + settings.validityMs, issuer.certificate.validToDate.getTime())),
    hosts: identity.profile === 'server' ? serverHosts(settings.publicHost) : [],
  })
  metrics.issueSeconds.observe((performance.now() - started) / 1000)
  const owner = { fleet: identity.fleet, device: identity.device }
  const { pem: _, ...parts } = issued
  const row = {
    ...parts,
    ...owner,
    issuer: issuer.name,
    state: 'active' as const,
    revokedAt: null,
    revocationReason: null,
  }
  await tx.insert(certificates).values(row)
  return row
}

/** Before another is issued: a device has one certificate that is good. */
export async function supersedeCertificates(
  tx: Tx,
  { fleet, device }: { fleet: string; device: string },
): Promise<void> {
  await tx
    .update(certificates)
    .set({ state: 'superseded' })
    .where(and(eq(certificates.fleet, fleet), eq(certificates.device, device), eq(certificates.state, 'active')))
}

function serverHosts(publicHost: string): string[] {
  return [...new Set(['localhost', '127.0.0.1', '::1', publicHost])]
}
