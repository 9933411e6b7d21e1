import { setTimeout as sleep } from 'node:timers/promises'

export interface Repeating extends AsyncDisposable {
  /** Runs as soon as the run under way, if there is one, has ended. */
  hurry(): void
}

/** Runs `work` at once and then again and again, never twice at once, until it is disposed of. */
export function repeat(
  work: () => Promise<void>,
  { everyMs, onError }: { everyMs: number; onError(error: unknown): void },
): Repeating {
  const stopped = new AbortController()
  let pause = new AbortController()

  async function run() {
    while (!stopped.signal.aborted) {
      pause = new AbortController()
      const signal = AbortSignal.any([stopped.signal, pause.signal])
      await work().catch(onError)
      await sleep(everyMs, undefined, { signal }).catch(() => {})
    }
  }
  const running = run()

  return {
    hurry: () => pause.abort(),
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await running
    },
  }
}
