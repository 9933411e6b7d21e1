import type { X509Certificate } from 'node:crypto'
import { MusterError, type RenewRequest } from '@muster/contracts'
import { decodeBase64, readCsr, requireSameSubject } from '@muster/pki'
import type { Context } from '../context.ts'
import { settleConflicts } from '../settle-conflicts.ts'
import { identifyHolder } from './identify.ts'
import { requireRenewable } from './judge.ts'
import { isRefusal, recordRenewalRefusal } from './record-refusal.ts'
import { type Renewed, renewCertificate } from './renew.ts'

export type PresentedRenewal = RenewRequest & {
  /** The TLS peer's. */
  certificate: X509Certificate | undefined
  address: string
  via: 'https' | 'est'
}

/** Renewal by mutual TLS, for POST /v1/renew and EST. The steps are those of docs/renewal.md. */
export async function renewPresented(ctx: Context, request: PresentedRenewal): Promise<Renewed> {
  const { certificate, address, roots, via } = request
  // Step 1: who is asking.
  const holder = await identifyHolder(ctx, certificate, address)
  const actor = `device:${holder.device.id}`
  try {
    // Step 2: whether it may; nothing that costs more is done for those who may not.
    requireRenewable(holder.standing, ctx.now())
    // Step 3: read the request and verify that the sender holds the new key.
    const csr = readCsr(request.csr)
    if (via === 'est' && certificate) requireSubjectOf(certificate, request.csr)
    const deviceTime = request.deviceTime === undefined ? undefined : new Date(request.deviceTime)
    const input = { csr, deviceTime, roots, via }
    const renewed = await settleConflicts(() =>
      ctx.db.transaction((tx) => renewCertificate({ ...ctx, actor }, tx, holder, input)),
    )
    // Step 7: committed, so the certificate may leave.
    ctx.metrics.renewals.inc({ result: renewed.result, via })
    return renewed
  } catch (error) {
    if (isRefusal(error)) await recordRenewalRefusal(ctx, ctx.db, holder, address, error)
    throw error
  }
}

/** RFC 7030 §4.2.2. The request is well-formed: it was read before. */
function requireSubjectOf(certificate: X509Certificate, csr: string): void {
  try {
    requireSameSubject(decodeBase64(csr), certificate)
  } catch (cause) {
    if (!(cause instanceof MusterError)) throw cause
    throw new MusterError('csr-subject-mismatch', cause.detail, { cause })
  }
}
