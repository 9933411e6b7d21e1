import { setTimeout as sleep } from 'node:timers/promises'
import type { DeviceStore } from '../store/device-store.ts'
import { clockOf } from '../trust/device-clock.ts'
import type { Surroundings } from '../trust/dial.ts'
import { findRenewalWindow } from './find-window.ts'

interface UntilDueOptions extends Surroundings {
  pollMs: number
  signal: AbortSignal
}

/** A window as near as this is waited for without asking again. */
const nearMs = 30_000

/**
 * Resolves at a random moment of the window in which the provisioner wants this certificate renewed. It is asked again on the way: an
 * operator may have pulled the window forward. Where it does not answer, the enrolment's own `renewAfter` counts. Answers whether there was anything to wait for.
 */
export async function untilRenewalIsDue(store: DeviceStore, options: UntilDueOptions): Promise<boolean> {
  const { pollMs, signal, now } = options
  // Drawn once: who draws again at every answer comes early.
  const part = Math.random()
  for (let waited = false; ; waited = true) {
    const window = await findRenewalWindow(store, options)
    const clock = await clockOf(store, now)
    const waitMs =
      window.start.getTime() + part * (window.end.getTime() - window.start.getTime()) - clock.now().getTime()
    if (waitMs <= 0) return waited
    const isNear = waitMs <= Math.min(nearMs, pollMs)
    const pause = isNear ? waitMs : Math.min(waitMs / 2, pollMs * (0.9 + Math.random() / 10))
    await sleep(pause, undefined, { signal })
    if (isNear) return true
  }
}
