import { X509Certificate } from 'node:crypto'
import { type Identity, MusterError, parsePeerIdentity } from '@muster/contracts'
import { devices, recordRefusal } from '@muster/db'
import { certificateFingerprint } from '@muster/pki'
import type { Context } from '../context.ts'
import { isDevice } from '../devices/transition.ts'
import { findHolder, type Holder } from './find-holder.ts'

/**
 * Who is asking: TLS has proved that the peer holds the certificate's key, and the row with its fingerprint proves that we have
 * issued it. The names in the certificate decide nothing.
 * @throws MusterError `certificate-missing` or `certificate-unknown`
 */
export async function identifyHolder(
  ctx: Context,
  presented: X509Certificate | undefined,
  address: string,
): Promise<Holder> {
  if (!presented) throw new MusterError('certificate-missing', 'the certificate that is renewed must be shown in TLS')
  const holder = await findHolder(ctx.db, presented.serialNumber.toLowerCase())
  if (holder?.certificate.fingerprint === certificateFingerprint(presented.raw)) return holder
  const refusal = new MusterError('certificate-unknown', 'the registry has not issued this certificate')
  await recordStolenKey(ctx, presented, address, refusal)
  throw refusal
}

/** Signed by our CA and not on record: somebody else may have the CA's key. Anything else is a stranger, and leaves no trace here. */
async function recordStolenKey(ctx: Context, presented: X509Certificate, address: string, refusal: MusterError) {
  const { active, rows } = ctx.issuers
  const ours = [active.certificate, ...rows.map(({ der }) => new X509Certificate(der))]
  if (!ours.some((issuer) => isSignedBy(presented, issuer))) return
  const { code, detail } = refusal
  ctx.metrics.alerts.inc({ code })
  ctx.log.warn({ code, address, fingerprint: certificateFingerprint(presented.raw), requestId: ctx.requestId }, 'alert')
  const identity = readIdentity(presented)
  if (!identity) return
  const { fleet, device } = identity
  const known = await ctx.db.$count(devices, isDevice({ fleet, id: device }))
  if (known > 0) await recordRefusal(ctx.db, { fleet, device, code, address, detail, alert: true, at: ctx.now() })
}

function isSignedBy(presented: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return presented.verify(issuer.publicKey)
  } catch {
    return false
  }
}

function readIdentity(presented: X509Certificate): Identity | undefined {
  try {
    return parsePeerIdentity(presented.toLegacyObject() as never)
  } catch {
    return undefined
  }
}
