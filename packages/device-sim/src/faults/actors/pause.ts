import { setTimeout as sleep } from 'node:timers/promises'

/** Answers whether there is any going on after it. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined)
  return !signal.aborted
}

/** Answers whether it was there before the end. */
export function unlessOver(promise: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const over = () => resolve(false)
    if (signal.aborted) over()
    signal.addEventListener('abort', over, { once: true })
    const done = (isThere: boolean) => {
      signal.removeEventListener('abort', over)
      resolve(isThere)
    }
    promise.then(
      () => done(true),
      () => done(false),
    )
  })
}
