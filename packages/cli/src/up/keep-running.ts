import { setTimeout as delay } from 'node:timers/promises'

/** Something that runs until it ends by itself or is disposed of. */
export interface Running extends AsyncDisposable {
  readonly exited: Promise<unknown>
}

export interface KeepOptions<Kept extends Running> {
  /** Resolves when it is ready. */
  open: (signal: AbortSignal) => Promise<Kept>
  onEnd: (exit: Awaited<Kept['exited']>, pauseMs: number) => void
  onFailure: (error: unknown, pauseMs: number) => void
  onReady: (kept: Kept) => void
  signal: AbortSignal
  firstPauseMs?: number
}

const longestPauseMs = 30_000
const steadyMs = 30_000

/** Starts something, and starts it again whenever it ends; a failure of the first start is the caller's. */
export async function keepRunning<Kept extends Running>(
  options: KeepOptions<Kept>,
): Promise<{ readonly current: Kept } & AsyncDisposable> {
  const closing = new AbortController()
  const signal = AbortSignal.any([options.signal, closing.signal])
  let current = await options.open(signal)
  const watching = watch()

  async function watch(): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      const startedAt = performance.now()
      const exit = await Promise.race([current.exited, aborted(signal)])
      if (signal.aborted) return
      if (performance.now() - startedAt > steadyMs) failures = 0
      options.onEnd(exit as Awaited<Kept['exited']>, pause(failures))
      await current[Symbol.asyncDispose]()
      while (!(await reopen(failures++)));
    }
  }

  async function reopen(failures: number): Promise<boolean> {
    await delay(pause(failures), undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return true
    try {
      current = await options.open(signal)
      options.onReady(current)
      return true
    } catch (error) {
      if (!signal.aborted) options.onFailure(error, pause(failures + 1))
      return signal.aborted
    }
  }

  const pause = (failures: number) => pauseMs(failures, options.firstPauseMs)
  return {
    get current() {
      return current
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await watching
      await current[Symbol.asyncDispose]()
    },
  }
}

export function pauseMs(failures: number, first = 250): number {
  return Math.min(longestPauseMs, first * 2 ** failures)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
