import { type Enrolment, type EnrolRequest, MusterError, type Policy } from '@muster/contracts'
import { type Commit, certificates, recordAudit, type Tx, transact } from '@muster/db'
import { type Csr, type Issuer, readCsr } from '@muster/pki'
import { and, asc, eq, inArray } from 'drizzle-orm'
import {
  type CertificateRow,
  recordCertificate,
  signCertificate,
  supersedeCertificates,
} from '../certificates/issue.ts'
import type { Context } from '../context.ts'
import type { DeviceRow } from '../devices/present.ts'
import { lockDevice } from '../devices/transition.ts'
import { isInNetworks } from '../http/address.ts'
import { loadChosen, resolvePolicy } from '../policies/resolve.ts'
import { findPulledWindows } from '../renewal/find-windows.ts'
import type { PulledWindow } from '../renewal/window.ts'
import { settleConflicts } from '../settle-conflicts.ts'
import { presentEnrolment } from './answer.ts'
import { authenticateClaim, type ClaimRow } from './authenticate-claim.ts'
import { type BoundDevice, bindKey } from './bind-key.ts'
import { type Found, lookUp } from './look-up.ts'
import { recordEnrolRefusal } from './record-refusal.ts'

export type EnrolInput = EnrolRequest & { address: string }
export type EnrolResult = { result: 'issued' | 'repeated'; enrolment: Enrolment } | { result: 'pending' }

type Outcome =
  | { pending: true }
  | {
      pending: false
      device: DeviceRow
      policy: Policy
      certificate: CertificateRow
      fresh: boolean
      pulled: PulledWindow[]
    }

/** Promise 2: claim and key to certificate, any number of times. The steps are those of docs/enrolment.md. */
export async function enrolDevice(ctx: Context, request: EnrolInput): Promise<EnrolResult> {
  // Step 1: authenticate the claim; nothing that costs more is done for a stranger.
  const claim = await authenticateClaim(ctx, request.claim)
  const actor = `claim:${claim.id}`
  try {
    if (claim.networks && !isInNetworks(request.address, claim.networks))
      throw new MusterError('claim-network', 'the claim cannot be used from this address')
    // Step 2: read the request and verify that the sender holds the key.
    const csr = readCsr(request.csr)
    const outcome = await settleConflicts(() =>
      transact(ctx.db, {
        // Step 3: lock the claim: of many at once, one binds its key and the others see that it has.
        ask: (tx) => lookUp(ctx, tx, claim, { ...csr, device: request.device }),
        act: (tx, found, commit) => enrolKey({ ...ctx, actor }, tx, { csr, request, found, commit }),
      }),
    )
    // Step 7: committed, so the certificate may leave.
    if (outcome.pending) return { result: 'pending' }
    const enrolment = await presentEnrolment(ctx, outcome.device, outcome.policy, outcome.certificate, outcome.pulled)
    return { result: outcome.fresh ? 'issued' : 'repeated', enrolment }
  } catch (error) {
    if (error instanceof MusterError) await recordEnrolRefusal(ctx, claim, request, error)
    throw error
  }
}

/** Others may be waiting for the claim: of a new device, nothing is waited for between look-up and commit but the signature. */
async function enrolKey(
  ctx: Context,
  tx: Tx,
  { csr, request, found, commit }: { csr: Csr; request: EnrolInput; found: Found; commit: Commit },
): Promise<Outcome> {
  const { claim, binding } = found
  if (!claim) throw new MusterError('claim-invalid', 'the claim is not known here')
  const { keyFingerprint } = csr

  // Step 4: the device this key is bound to, or bind it.
  const asked = { keyFingerprint, device: request.device, attributes: request.attributes }
  const bound = binding ? await findBound(tx, binding, found) : await bindKey(tx, claim, asked, found, ctx.now())
  const { device, known } = bound
  if (binding && request.device !== undefined && request.device !== device.id)
    throw new MusterError('device-name-mismatch', `the key is bound to ${device.id}`)
  requireEnrollable(device, keyFingerprint)

  // Step 5: the certificate it has, or a new one; a claim that has led to one does not lead to a second.
  const held = known && device.state === 'active' ? await findCertificates(tx, device) : []
  const [earlier] = held
  const live = held.find(({ notAfter }) => notAfter > ctx.now())
  if (binding && earlier && !live)
    throw new MusterError('certificate-expired', 'the certificate this claim led to has expired; a new claim is needed')
  const policy = await findPolicyOf(tx, device, claim, found)
  const issued = device.state === 'active' && !live ? await signFor(ctx, found.requireIssuer(), device, csr) : undefined
  const certificate = issued ?? live
  const pulled = live ? await findPulledWindows(tx, device, live) : []

  // Step 6: all of it, and the audit entry, in the same transaction.
  const action = binding ? 'certificate.issue' : 'device.enrol'
  const entry = { action, claim: claim.id, keyFingerprint, issued, address: request.address } as const
  await commit(() => [
    ...(bound.write?.() ?? []),
    ...(earlier && !live ? [supersedeCertificates(tx, earlier)] : []),
    ...(issued ? [recordCertificate(tx, issued)] : []),
    ...(issued || !binding ? [recordEnrolment(ctx, tx, device, entry)] : []),
  ])
  if (!certificate) return { pending: true }
  return { pending: false, device, policy, certificate, fresh: issued !== undefined, pulled }
}

/** The device that the key has become; it is among those that were looked up, unless the request gives another name than the one it has. */
async function findBound(tx: Tx, binding: NonNullable<Found['binding']>, { devices }: Found): Promise<BoundDevice> {
  const target = { fleet: binding.fleet, id: binding.device }
  const found = devices.find(({ fleet, id }) => fleet === target.fleet && id === target.id)
  return { device: found ?? (await lockDevice(tx, target)), known: true, write: undefined }
}

/** What was looked up is of the claim's group, which is the device's own, mostly. */
async function findPolicyOf(tx: Tx, device: DeviceRow, claim: ClaimRow, { attachments }: Found): Promise<Policy> {
  if (device.group !== claim.group) return (await resolvePolicy(tx, device)).document
  const { policy, claimPolicy, profile, fleet } = device
  return (await loadChosen(tx, fleet, { profile, device: policy, claim: claimPolicy, ...attachments })).document
}

function signFor(ctx: Context, issuer: Issuer, device: DeviceRow, { spki }: Csr): Promise<CertificateRow> {
  const { fleet, group, id, profile } = device
  return signCertificate(ctx, issuer, { identity: { fleet, group, device: id, profile }, spki })
}

/** A device may have its certificate while it is active; a pending one waits. */
function requireEnrollable(device: DeviceRow, keyFingerprint: string): void {
  const { id, state } = device
  if (device.keyFingerprint !== keyFingerprint)
    throw new MusterError('device-taken', `${id} has been enrolled with another key since`)
  if (state === 'rejected') throw new MusterError('device-rejected', `${id} was refused approval`)
  if (state === 'suspended') throw new MusterError('device-suspended', `${id} is suspended`)
  if (state === 'revoked') throw new MusterError('device-revoked', `${id} is revoked`)
  if (state === 'retired') throw new MusterError('device-retired', `${id} is retired; a new claim is needed`)
}

/** The one in use, then the one that a renewal has left behind: its answer may have been lost until the first has expired. */
function findCertificates(tx: Tx, device: DeviceRow): Promise<CertificateRow[]> {
  return tx
    .select()
    .from(certificates)
    .where(
      and(
        eq(certificates.fleet, device.fleet),
        eq(certificates.device, device.id),
        eq(certificates.keyFingerprint, device.keyFingerprint),
        inArray(certificates.state, ['active', 'pending']),
      ),
    )
    .orderBy(asc(certificates.state))
}

interface Recorded {
  action: 'device.enrol' | 'certificate.issue'
  claim: string
  keyFingerprint: string
  issued: CertificateRow | undefined
  address: string
}

async function recordEnrolment(ctx: Context, tx: Tx, device: DeviceRow, recorded: Recorded): Promise<void> {
  const { action, issued, ...rest } = recorded
  const detail = { ...rest, state: device.state, ...(issued && { serial: issued.serial, notAfter: issued.notAfter }) }
  const { actor, requestId } = ctx
  await recordAudit(tx, { actor, action, fleet: device.fleet, subject: device.id, detail, requestId, at: ctx.now() })
}
