import { X509Certificate } from 'node:crypto'
import { isPlainPath } from '@muster/pki'
import type { DeviceClock } from './device-clock.ts'
import { requireTrustedChain, type Shown } from './require-trusted-server.ts'

/**
 * Whether `root` vouches beyond doubt for the server of a connection that was made before the root was known. OpenSSL judges while a connection
 * is made, by the roots it is given then: whatever is not as plain as a chain of ours, or not in order, is left to it, on another connection.
 */
export function isVouchedFor(shown: Shown, host: string, root: string, clock: DeviceClock): boolean {
  try {
    return isPlainPath(requireTrustedChain(shown, host, root, clock), new X509Certificate(root))
  } catch {
    return false
  }
}
