import type { MusterError } from '@muster/contracts'

/** Something that may work in a while; `error` says what it was. */
export class TemporaryFailure extends Error {
  readonly error: MusterError
  readonly afterMs: number | undefined

  constructor(error: MusterError, afterMs?: number) {
    super(error.message, { cause: error })
    this.error = error
    this.afterMs = afterMs
  }
}
