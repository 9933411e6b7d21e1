export type CaErrorCode =
  | 'passphrase-missing'
  | 'passphrase-wrong'
  | 'key-missing'
  | 'key-mismatch'
  | 'certificate-missing'
  | 'certificate-invalid'
  | 'certificate-expired'
  | 'request-invalid'
  | 'already-exists'

/** The CA in the data directory cannot be used; the message is for the person who runs it. */
export class CaError extends Error {
  override readonly name = 'CaError'
  readonly code: CaErrorCode

  constructor(code: CaErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
