import { type Enrolment, MusterError } from '@muster/contracts'
import { certificates, devices, recordAudit, type Tx } from '@muster/db'
import type { Csr } from '@muster/pki'
import { and, eq, gt, ne, or, sql } from 'drizzle-orm'
import { type CertificateRow, issueRecorded, supersedeCertificates } from '../certificates/issue.ts'
import type { Context } from '../context.ts'
import type { DeviceRow } from '../devices/present.ts'
import { isDevice, lockDevice } from '../devices/transition.ts'
import { presentEnrolment } from '../enrolment/answer.ts'
import { RateLimited } from '../enrolment/limits.ts'
import { resolvePolicy } from '../policies/resolve.ts'
import { findHolder, type Holder } from './find-holder.ts'
import { findPulledWindows } from './find-windows.ts'
import { requireRenewable } from './judge.ts'
import { promotePending } from './promote.ts'

export interface RenewInput {
  csr: Csr
  /** What the device believes the time to be. */
  deviceTime?: Date | undefined
  /** Fingerprints of the roots that the device trusts. */
  roots?: readonly string[] | undefined
  via: 'https' | 'est' | 'mqtt'
}

export interface Renewed {
  enrolment: Enrolment
  result: 'issued' | 'repeated'
}

/** A device in a loop must not fill the registry. */
const maxIssuedPerMinute = 30

/**
 * The next certificate of whoever holds this one, which stays good until the next is used. The steps are those of docs/renewal.md.
 * In the caller's transaction: the answer must not leave the process before that is committed.
 */
export async function renewCertificate(ctx: Context, tx: Tx, asking: Holder, input: RenewInput): Promise<Renewed> {
  // Step 4: take turns with a revocation and with other renewals of this device, then look again.
  await lockDevice(tx, asking.device)
  const holder = await findHolder(tx, asking.certificate.serial)
  if (!holder) throw new MusterError('certificate-unknown', 'the registry has not issued this certificate')
  requireRenewable(holder.standing, ctx.now())
  const { device, certificate } = holder

  // Step 5: the certificate it comes with is in use from now on, at the latest.
  if (certificate.state === 'pending') await promotePending(ctx, tx, device, certificate)
  await recordClock(ctx, tx, device, input)

  // Step 6: the answer that may have been lost, or a new certificate.
  const waiting = certificate.state === 'pending' ? undefined : await findPending(tx, device)
  const isRepeat =
    waiting?.keyFingerprint === input.csr.keyFingerprint &&
    waiting.issuer === ctx.issuers.active.name &&
    waiting.notAfter > ctx.now()
  const next = isRepeat ? waiting : await issueNext(ctx, tx, holder, input)
  const { document: policy } = await resolvePolicy(tx, device)
  const pulled = isRepeat ? await findPulledWindows(tx, device, next) : []
  return {
    enrolment: await presentEnrolment(ctx, device, policy, next, pulled),
    result: isRepeat ? 'repeated' : 'issued',
  }
}

async function issueNext(ctx: Context, tx: Tx, { device, certificate }: Holder, input: RenewInput) {
  const { csr, via } = input
  const { fleet, group, id, profile } = device
  await requireModest(ctx, tx, device)
  await requireFreeKey(tx, device, csr.keyFingerprint)
  await supersedeCertificates(tx, { fleet, device: id }, ['pending'])
  const identity = { fleet, group, device: id, profile }
  const next = await issueRecorded(ctx, tx, { identity, spki: csr.spki, state: 'pending' })
  const { actor, requestId } = ctx
  const { serial, notAfter, keyFingerprint } = next
  const detail = { serial, notAfter, keyFingerprint, replaces: certificate.serial, via }
  const at = ctx.now()
  await recordAudit(tx, { actor, action: 'certificate.renew', fleet, subject: id, detail, requestId, at })
  return next
}

async function findPending(tx: Tx, { fleet, id }: DeviceRow): Promise<CertificateRow | undefined> {
  const [row] = await tx
    .select()
    .from(certificates)
    .where(and(eq(certificates.fleet, fleet), eq(certificates.device, id), eq(certificates.state, 'pending')))
  return row
}

async function requireModest(ctx: Context, tx: Tx, { fleet, id }: DeviceRow): Promise<void> {
  const recent = sql`${ctx.now().toISOString()}::timestamptz - interval '6 minutes'`
  const issued = await tx.$count(
    certificates,
    and(eq(certificates.fleet, fleet), eq(certificates.device, id), gt(certificates.notBefore, recent)),
  )
  if (issued >= maxIssuedPerMinute) throw new RateLimited(60_000)
}

async function requireFreeKey(tx: Tx, device: DeviceRow, keyFingerprint: string): Promise<void> {
  if (keyFingerprint === device.keyFingerprint) return
  const { fleet, id } = device
  const isOther = sql`not (${isDevice(device)})`
  const enrolled = await tx.$count(
    devices,
    and(eq(devices.keyFingerprint, keyFingerprint), ne(devices.state, 'retired'), isOther),
  )
  const waits = and(eq(certificates.keyFingerprint, keyFingerprint), eq(certificates.state, 'pending'))
  const isAnothers = or(ne(certificates.fleet, fleet), ne(certificates.device, id))
  if (enrolled > 0 || (await tx.$count(certificates, and(waits, isAnothers))) > 0)
    throw new MusterError('key-in-use', 'the key belongs to another device: every device makes its own')
}

const maxInteger = 2 ** 31 - 1

async function recordClock(ctx: Context, tx: Tx, device: DeviceRow, { deviceTime, roots }: RenewInput): Promise<void> {
  const aheadMs = deviceTime && deviceTime.getTime() - ctx.now().getTime()
  const told = {
    ...(aheadMs !== undefined && {
      clockSkewSeconds: Math.max(-maxInteger, Math.min(maxInteger, Math.round(aheadMs / 1_000))),
    }),
    ...(roots && { roots: [...roots] }),
  }
  if (Object.keys(told).length > 0) await tx.update(devices).set(told).where(isDevice(device))
}
