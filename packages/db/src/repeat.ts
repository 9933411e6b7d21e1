import { setTimeout as sleep } from 'node:timers/promises'

export interface Repeating extends AsyncDisposable {
  /** Runs as soon as the run under way, if there is one, has ended. */
  hurry(): void
}

/** Runs `work` again and again, never twice at once, until it is disposed of: what a lost notification is made up by. */
export function repeat(
  work: () => Promise<void>,
  { everyMs, onError }: { everyMs: number; onError(error: unknown): void },
): Repeating {
  const stopped = new AbortController()
  let pause = new AbortController()

  async function run() {
    while (!stopped.signal.aborted) {
      const signal = AbortSignal.any([stopped.signal, pause.signal])
      await sleep(everyMs, undefined, { signal }).catch(() => {})
      if (stopped.signal.aborted) return
      pause = new AbortController()
      await work().catch(onError)
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
