import { MusterError } from '@muster/contracts'
import { TemporaryFailure } from '../http/temporary-failure.ts'
import type { DeviceStore } from '../store/device-store.ts'
import { loadCredentials } from '../store/load-credentials.ts'
import { clockOf } from '../trust/device-clock.ts'
import type { Surroundings } from '../trust/dial.ts'
import { requestWindow } from './ask-provisioner.ts'

export interface RenewalTime {
  start: Date
  end: Date
}

/**
 * When the provisioner wants the current certificate renewed; where it does not answer, what the enrolment itself says.
 * @throws MusterError with the server's code where it refuses the device
 */
export async function findRenewalWindow(
  store: DeviceStore,
  { dial, now, signal }: Surroundings & { signal: AbortSignal },
): Promise<RenewalTime> {
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
