import { type ErrorCode, MusterError } from '@muster/contracts'
import { TemporaryFailure } from '../http/temporary-failure.ts'
import type { DeviceStore } from '../store/device-store.ts'
import { loadNextCredentials } from '../store/load-credentials.ts'
import { type Asking, requestWindow } from './ask-provisioner.ts'

/** Refusals of the certificate itself; others, as of a suspended device, may pass. */
const useless = new Set<ErrorCode>([
  'certificate-superseded',
  'certificate-revoked',
  'certificate-unknown',
  'certificate-expired',
])

/**
 * Brings a renewal that was interrupted to its end: the provisioner either takes note of the next certificate, which becomes the current
 * one, or refuses it, and it is given up. Answers whether it is still open, because nobody could be asked.
 * @throws MusterError with the server's code where it refuses the device
 */
export async function confirmNext(store: DeviceStore, asking: Omit<Asking, 'credentials'>): Promise<boolean> {
  const credentials = await loadNextCredentials(store)
  if (!credentials) return false
  const { certificate, notAfter } = credentials.enrolment
  try {
    await requestWindow({ ...asking, credentials })
    await store.promoteNext(certificate)
    return false
  } catch (error) {
    if (error instanceof MusterError && useless.has(error.code)) {
      await store.dropNext()
      return false
    }
    if (!(error instanceof TemporaryFailure)) throw error
    if (Date.parse(notAfter) > asking.clock.now().getTime()) return true
    await store.dropNext()
    return false
  }
}
