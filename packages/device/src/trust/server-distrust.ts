import { MusterError } from '@muster/contracts'
import { TemporaryFailure } from '../http/temporary-failure.ts'

const clock = {
  CERT_NOT_YET_VALID: 'certificate-not-yet-valid',
  CERT_HAS_EXPIRED: 'certificate-expired',
} as const

const distrust = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/**
 * The refusal behind an error of `node:tls`, if this side did not trust the server; undefined for anything else.
 * A certificate out of its dates is temporary: on a first boot it is the device's clock that is wrong.
 */
export function serverDistrust(error: Error, host: string): MusterError | TemporaryFailure | undefined {
  const code = 'code' in error ? String(error.code) : ''
  if (isAboutDates(code)) {
    const detail = `the certificate of ${host} is not valid at ${new Date().toISOString()}, this device's time`
    return new TemporaryFailure(new MusterError(clock[code], detail, { cause: error }))
  }
  if (!distrust.has(code)) return undefined
  return new MusterError('certificate-untrusted', `the server ${host} is not trusted: ${error.message}`, {
    cause: error,
  })
}

/** Whether an error code of `node:tls` says that a certificate is out of its dates, and not that nothing else is wrong. */
export function isAboutDates(code: string): code is keyof typeof clock {
  return code in clock
}
