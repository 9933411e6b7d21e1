import { MusterError } from '@muster/contracts'
import { TemporaryFailure } from '../http/temporary-failure.ts'
import type { DeviceStore } from '../store/device-store.ts'
import { loadNextCredentials } from '../store/load-credentials.ts'
import { type Asking, requestWindow } from './ask-provisioner.ts'

/**
 * Brings a renewal that was interrupted to its end: the provisioner either takes note of the next certificate, which becomes the current
 * one, or refuses it, and it is given up. Answers whether it is still open, because nobody could be asked.
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
    const isOver = Date.parse(notAfter) <= asking.clock.now().getTime()
    if (error instanceof TemporaryFailure && !isOver) return true
    if (!(error instanceof TemporaryFailure) && !(error instanceof MusterError)) throw error
    // Not for the reason that it is this server's turn to prove who it is.
    if (error instanceof MusterError && error.code === 'certificate-untrusted') return true
    await store.dropNext()
    return false
  }
}
