import { type ErrorCode, MusterError } from '@muster/contracts'
import type { DeviceStore } from '../store/device-store.ts'
import { loadCredentials } from '../store/load-credentials.ts'
import { clockOf } from '../trust/device-clock.ts'
import type { Surroundings } from '../trust/dial.ts'
import { requestWindow } from './ask-provisioner.ts'

/** What is said of the device or its certificate; anything else says nothing about why a broker hangs up. */
const verdicts = new Set<ErrorCode>([
  'device-revoked',
  'device-suspended',
  'device-retired',
  'device-not-found',
  'certificate-revoked',
  'certificate-superseded',
  'certificate-unknown',
  'certificate-expired',
])

/** What the provisioner has against the certificate of the device; undefined where that is nothing, or nobody can be asked. */
export async function askWhy(
  store: DeviceStore,
  { dial, now, signal }: Surroundings & { signal: AbortSignal },
): Promise<MusterError | undefined> {
  try {
    const stored = await store.loadEnrolment()
    const [credentials, clock] = [await loadCredentials(store), await clockOf(store, now)]
    await requestWindow({ url: stored?.url ?? '', credentials, clock, dial, signal })
    return undefined
  } catch (error) {
    return error instanceof MusterError && verdicts.has(error.code) ? error : undefined
  }
}
