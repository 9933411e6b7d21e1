import {
  type CertificateState,
  type DeviceState,
  type ErrorCode,
  type IssuerState,
  MusterError,
} from '@muster/contracts'

/** What the registry knows of a certificate and its holder. */
export interface Standing {
  certificateState: CertificateState
  notBefore: Date
  notAfter: Date
  deviceState: DeviceState
  issuerState: IssuerState
  lateRenewalDays: number
}

const stateCodes: Record<Exclude<DeviceState, 'active'>, ErrorCode> = {
  pending: 'device-pending',
  suspended: 'device-suspended',
  revoked: 'device-revoked',
  retired: 'device-retired',
  rejected: 'device-rejected',
}

const dayMs = 86_400_000

/**
 * Whether the holder of a certificate may renew it. Its fingerprint is that of a row, so we have issued it.
 * @throws MusterError with the reason for a refusal
 */
export function requireRenewable(standing: Standing, now: Date): void {
  const { certificateState, deviceState, issuerState, notBefore, notAfter, lateRenewalDays } = standing
  const refuse = (code: ErrorCode, why: string) => new MusterError(code, why)
  if (deviceState !== 'active') throw refuse(stateCodes[deviceState], `the device is ${deviceState}`)
  if (certificateState === 'revoked') throw refuse('certificate-revoked', 'the certificate is revoked')
  if (certificateState === 'superseded')
    throw refuse('certificate-superseded', 'the certificate was replaced by a newer one, which must be used instead')
  if (issuerState === 'retired') throw refuse('certificate-untrusted', 'the CA of the certificate is retired')
  if (now < notBefore) throw refuse('certificate-not-yet-valid', `valid from ${notBefore.toISOString()}`)
  const end = new Date(notAfter.getTime() + lateRenewalDays * dayMs)
  if (now < end) return
  const allowance = lateRenewalDays > 0 ? `, and could be renewed until ${end.toISOString()}` : ''
  throw refuse('certificate-expired', `expired at ${notAfter.toISOString()}${allowance}; a new claim is needed`)
}
