import type { FailureReason } from './messages.ts'

/** Why a token did not do what it was asked. */
export class TokenError extends Error {
  override readonly name = 'TokenError'
  readonly reason: FailureReason
  readonly detail: string
  /** What the PKCS#11 library said, like CKR_DEVICE_REMOVED; empty where it said nothing. */
  readonly code: string

  constructor(reason: FailureReason, detail: string, code = '') {
    super(code ? `${detail} (${code})` : detail)
    this.reason = reason
    this.detail = detail
    this.code = code
  }
}
