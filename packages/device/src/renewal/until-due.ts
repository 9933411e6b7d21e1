import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import { TemporaryFailure } from '../http/temporary-failure.ts'
import type { DeviceStore } from '../store/device-store.ts'
import { loadCredentials } from '../store/load-credentials.ts'
import { clockOf } from '../trust/device-clock.ts'
import type { Surroundings } from '../trust/dial.ts'
import { requestWindow } from './ask-provisioner.ts'

interface UntilDueOptions extends Surroundings {
  pollMs: number
  signal: AbortSignal
}

interface Window {
  start: Date
  end: Date
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
    const window = await findWindow(store, options)
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

async function findWindow(store: DeviceStore, { dial, now, signal }: UntilDueOptions): Promise<Window> {
  const stored = await store.loadEnrolment()
  const credentials = await loadCredentials(store)
  const { renewAfter, notAfter } = credentials.enrolment
  const start = new Date(renewAfter)
  const own = { start, end: new Date(start.getTime() + (Date.parse(notAfter) - start.getTime()) / 4) }
  try {
    const asking = { url: stored?.url ?? '', credentials, clock: await clockOf(store, now), dial, signal }
    return await requestWindow(asking)
  } catch (error) {
    // A late device is told nothing but to renew.
    if (error instanceof TemporaryFailure || (error instanceof MusterError && error.code === 'certificate-expired'))
      return own
    throw error
  }
}
