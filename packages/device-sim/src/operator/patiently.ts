import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, MusterError } from '@muster/contracts'

const pauseMs = 500
const passing: ReadonlySet<ErrorCode> = new Set(['unavailable', 'rate-limited', 'internal'])

/** Tries again until the platform answers. @throws its refusal, or the reason of `signal` */
export async function patiently<Result>(signal: AbortSignal, attempt: () => Promise<Result>): Promise<Result> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (isRefusal(error)) throw error
      await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}

/** A no that will not become a yes by itself. */
export const isRefusal = (error: unknown): error is MusterError =>
  error instanceof MusterError && !passing.has(error.code)
