import {
  type CertificateState,
  type CloneAction,
  type CompiledPolicy,
  compilePolicy,
  type DeviceState,
  type ErrorCode,
  type Identity,
  type IssuerState,
  MusterError,
  openRenewalTopics,
  Policy,
} from '@muster/contracts'
import { compileGranted, type GrantedRow } from './compile-granted.ts'
import type { Peer } from './peer.ts'

/** What the registry knows of a certificate and its holder. */
export interface RegistryRow extends GrantedRow {
  serial: string
  fingerprint: string
  certificateState: CertificateState
  fleet: string
  device: string
  deviceState: DeviceState
  /** Since when; `null` where that is not known. */
  deviceStateAt: Date | string | null
  revokedAt: Date | string | null
  revocationReason: string | null
  issuerState: IssuerState | null
  /** For how long the fleet lets a device renew a certificate that has expired. */
  lateRenewalDays: number
  onClone: CloneAction
}

export interface Admission {
  identity: Identity & { serial: string }
  policy: CompiledPolicy
  /** `renewed`: to be promoted before it is let in; `late`: expired, and may do nothing but renew. */
  standing: 'current' | 'renewed' | 'late'
}

const dayMs = 86_400_000
const nothing = Policy.parse({ name: 'renewal', allow: [], limits: { subscriptions: 0 } })

const stateCodes: Record<Exclude<DeviceState, 'active'>, ErrorCode> = {
  pending: 'device-pending',
  suspended: 'device-suspended',
  revoked: 'device-revoked',
  retired: 'device-retired',
  rejected: 'device-rejected',
}

/**
 * The one decision on who is let in: truth is the row, not the signature.
 * @throws MusterError with the reason for a refusal
 */
export function judge(peer: Peer, row: RegistryRow | undefined, now: Date): Admission {
  const { identity, serial } = peer
  const refuse = (code: ErrorCode, why: string) => new MusterError(code, why)
  if (now < peer.notBefore) {
    const why = `valid from ${peer.notBefore.toISOString()}; the clock of the broker says ${now.toISOString()}`
    throw refuse('certificate-not-yet-valid', why)
  }
  if (!row) throw refuse('certificate-unknown', 'the registry has not issued this certificate')
  if (row.fingerprint !== peer.fingerprint)
    throw refuse('certificate-unknown', 'the registry has issued another certificate with this serial number')
  if (row.fleet !== identity.fleet || row.device !== identity.device)
    throw refuse('certificate-subject', `the registry knows it under another name: ${row.fleet}/${row.device}`)
  if (row.profile === 'server') throw refuse('forbidden', 'a server certificate is not for MQTT clients')
  if (row.profile !== identity.profile)
    throw refuse('certificate-subject', 'the registry knows this certificate in another role')
  if (row.deviceState !== 'active') throw refuse(stateCodes[row.deviceState], explainState(row))
  if (row.certificateState === 'revoked') throw refuse('certificate-revoked', `revoked${explainRevocation(row)}`)
  if (row.certificateState === 'superseded')
    throw refuse('certificate-superseded', 'a renewed certificate has taken its place')
  if (row.issuerState === 'retired') throw refuse('certificate-untrusted', `its issuer, ${peer.issuer}, is retired`)
  const holder = { ...identity, serial }
  if (now < peer.notAfter) {
    const policy = compileGranted(row, holder)
    return { identity: holder, policy, standing: row.certificateState === 'pending' ? 'renewed' : 'current' }
  }
  const mayRenewUntil = new Date(peer.notAfter.getTime() + row.lateRenewalDays * dayMs)
  if (now >= mayRenewUntil) {
    const late = row.lateRenewalDays > 0 ? `, and could be renewed until ${mayRenewUntil.toISOString()}` : ''
    throw refuse('certificate-expired', `expired at ${peer.notAfter.toISOString()}${late}`)
  }
  return { identity: holder, policy: openRenewalTopics(compilePolicy(nothing, holder), holder), standing: 'late' }
}

function explainState({ deviceState, deviceStateAt, ...row }: RegistryRow): string {
  const since = deviceStateAt ? ` since ${new Date(deviceStateAt).toISOString()}` : ''
  const why = deviceState === 'revoked' && row.revocationReason ? `: ${row.revocationReason}` : ''
  return `the device is ${deviceState}${since}${why}`
}

function explainRevocation({ revokedAt, revocationReason }: RegistryRow): string {
  const at = revokedAt ? ` at ${new Date(revokedAt).toISOString()}` : ''
  return revocationReason ? `${at}: ${revocationReason}` : at
}
