/** Every reason for which Muster refuses something. `docs/errors.md` has a section for each. */
export const errorCodes = [
  'request-invalid',
  'request-too-large',
  'not-found',
  'method-not-allowed',
  'media-type-unsupported',
  'not-authenticated',
  'forbidden',
  'rate-limited',
  'conflict',
  'quota-exceeded',
  'unavailable',
  'internal',
  // enrolment
  'claim-invalid',
  'claim-expired',
  'claim-exhausted',
  'claim-key-mismatch',
  'claim-network',
  'csr-invalid',
  'key-not-allowed',
  'key-in-use',
  'device-name-missing',
  'device-name-mismatch',
  'device-taken',
  'device-rejected',
  'certificate-expired',
  // registry
  'fleet-not-found',
  'claim-not-found',
  'device-not-found',
  'device-revoked',
  'device-retired',
  'device-suspended',
  'device-pending',
  'group-not-found',
  'policy-not-found',
  'policy-in-use',
  'change-not-found',
  'revocation-not-found',
  'transition-not-allowed',
  'issuer-not-found',
  'issuer-in-use',
  'issuer-not-trusted',
  // renewal
  'certificate-superseded',
  'proof-invalid',
  'csr-subject-mismatch',
  // admission
  'tls-required',
  'proxy-header',
  'certificate-missing',
  'certificate-untrusted',
  'certificate-subject',
  'certificate-not-yet-valid',
  'certificate-unknown',
  'certificate-revoked',
  'client-id-mismatch',
  'packet-malformed',
  'protocol-error',
  'certificate-cloned',
  // before a certificate is known
  'tls-version',
  'tls-no-shared-cipher',
  'tls-server-rejected',
  'tls-handshake-timeout',
  'tls-aborted',
  'tls-failed',
  // topics
  'publish-denied',
  'subscribe-denied',
  'will-denied',
] as const

export type ErrorCode = (typeof errorCodes)[number]

export function isErrorCode(value: unknown): value is ErrorCode {
  return errorCodes.includes(value as ErrorCode)
}

/**
 * A refusal with a name. `detail` is written for the caller and may leave the process;
 * SQL, secrets and stack traces belong in `cause`, which never does.
 */
export class MusterError extends Error {
  override readonly name = 'MusterError'
  readonly code: ErrorCode
  readonly detail: string

  constructor(code: ErrorCode, detail: string, options?: { cause?: unknown }) {
    super(`${code}: ${detail}`, options)
    this.code = code
    this.detail = detail
  }
}
