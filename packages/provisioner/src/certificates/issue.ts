import type { CertificateState, Identity } from '@muster/contracts'
import { certificates, prepared, type Tx } from '@muster/db'
import { type Issuer, issueCertificate } from '@muster/pki'
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'

export type CertificateRow = typeof certificates.$inferSelect

/** Clocks of devices run behind. */
const backdateMs = 300_000

/** A platform whose own certificates live for seconds would be busy with nothing else. */
const minServerValidityMs = 86_400_000

export const issuedAt = ({ notBefore }: Pick<CertificateRow, 'notBefore'>) => new Date(notBefore.getTime() + backdateMs)

interface Issuing {
  identity: Identity
  spki: Buffer
  /** `pending` where another certificate is in use until this one is. */
  state?: Extract<CertificateState, 'active' | 'pending'>
}

/** Signs and records a certificate in the caller's transaction. It must not leave the process before that is committed. */
export async function issueRecorded(ctx: Context, tx: Tx, issuing: Issuing): Promise<CertificateRow> {
  const row = await signCertificate(ctx, await ctx.issuers.lockActive(tx), issuing)
  await recordCertificate(tx, row)
  return row
}

/** Of an issuer that the caller's transaction has locked. What is signed must be recorded, and committed, before it leaves the process. */
export async function signCertificate(
  { settings, metrics, now: clock }: Pick<Context, 'settings' | 'metrics' | 'now'>,
  issuer: Issuer,
  { identity, spki, state = 'active' }: Issuing,
): Promise<CertificateRow> {
  const now = clock().getTime()
  const isServer = identity.profile === 'server'
  const validityMs = isServer ? Math.max(settings.validityMs, minServerValidityMs) : settings.validityMs
  const started = performance.now()
  const issued = await issueCertificate(issuer, {
    identity,
    spki,
    trustDomain: settings.trustDomain,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(Math.min(now + validityMs, issuer.certificate.validToDate.getTime())),
    hosts: isServer ? serverHosts(settings.publicHost) : [],
  })
  metrics.issueSeconds.observe((performance.now() - started) / 1000)
  const owner = { fleet: identity.fleet, device: identity.device }
  const { pem: _, ...parts } = issued
  return {
    ...parts,
    ...owner,
    issuer: issuer.name,
    state,
    revokedAt: null,
    revocationReason: null,
  }
}

export async function recordCertificate(tx: Tx, row: CertificateRow): Promise<void> {
  await prepared(tx, insertCertificate).execute({ ...row })
}

const { placeholder } = sql
const insertCertificate = (tx: Tx) =>
  tx
    .insert(certificates)
    .values({
      serial: placeholder('serial'),
      fleet: placeholder('fleet'),
      device: placeholder('device'),
      issuer: placeholder('issuer'),
      fingerprint: placeholder('fingerprint'),
      keyFingerprint: placeholder('keyFingerprint'),
      der: placeholder('der'),
      state: placeholder('state'),
      notBefore: placeholder('notBefore'),
      notAfter: placeholder('notAfter'),
    })
    .prepare('record_certificate')

/** Before another is issued: a device has one certificate in use, and one that may take its place. */
export async function supersedeCertificates(
  tx: Tx,
  { fleet, device }: { fleet: string; device: string },
  states: readonly CertificateState[] = ['active', 'pending'],
): Promise<void> {
  await tx
    .update(certificates)
    .set({ state: 'superseded' })
    .where(
      and(eq(certificates.fleet, fleet), eq(certificates.device, device), inArray(certificates.state, [...states])),
    )
}

function serverHosts(publicHost: string): string[] {
  return [...new Set(['localhost', '127.0.0.1', '::1', publicHost])]
}
