import { setTimeout as sleep } from 'node:timers/promises'
import type { MusterError } from '@muster/contracts'
import { TemporaryFailure } from './http/temporary-failure.ts'

export interface RetryOptions {
  signal?: AbortSignal | undefined
  onRetry?: ((retry: Retry) => void) | undefined
  /** The first pause, doubled by every further failure. */
  minMs?: number | undefined
  maxMs?: number | undefined
}

export interface Retry {
  attempt: number
  delayMs: number
  error: MusterError
}

/** Runs `attempt` until it ends otherwise than with a TemporaryFailure. */
export async function retry<Result>(attempt: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  for (let failures = 0; ; failures += 1) {
    options.signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (failure) {
      if (!(failure instanceof TemporaryFailure)) throw failure
      const delayMs = Math.round(pauseMs(failures, options, failure.afterMs))
      options.onRetry?.({ attempt: failures + 1, delayMs, error: failure.error })
      await sleep(delayMs, undefined, { signal: options.signal }).catch((error: unknown) => {
        options.signal?.throwIfAborted()
        throw error
      })
    }
  }
}

/**
 * The upper half of an exponentially growing time, at random, so that a fleet that fails together does not come back together;
 * never sooner than the server asked for.
 */
export function pauseMs(
  failures: number,
  { minMs = 500, maxMs = 60_000 }: Pick<RetryOptions, 'minMs' | 'maxMs'>,
  askedMs = 0,
): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(failures, 30))
  const jittered = ceiling * (0.5 + Math.random() / 2)
  return askedMs > jittered ? askedMs * (1 + Math.random() / 5) : jittered
}
