import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { type Enrolment, MusterError, parsePeerIdentity } from '@muster/contracts'
import { findPath, readCertificates } from '../trust/find-path.ts'

/**
 * Checks what cannot be believed for being well-formed: the certificate carries our key and the name that was answered,
 * is signed by way of the chain by a pinned root, and is valid now, by the server's clock (a new device's own may be unset).
 * @throws MusterError `certificate-untrusted`
 */
export function requireValidEnrolment(enrolment: Enrolment, key: KeyObject, roots: string): void {
  const leaf = only(read(enrolment.certificate))
  if (!leaf.publicKey.equals(createPublicKey(key))) throw refuse('it is for another key')
  const path = findPath(leaf, read(enrolment.chain), read(roots))
  if (!path) throw refuse('the chain does not lead to a pinned root')
  const at = new Date(enrolment.serverTime)
  for (const { validFromDate, validToDate } of path) {
    if (validFromDate > at) throw refuse('a certificate of the chain is not valid yet')
    if (validToDate <= at) throw refuse('a certificate of the chain has expired')
  }

  const identity = parsePeerIdentity(leaf.toLegacyObject())
  const { id, group, fleet } = enrolment.device
  if (identity.device !== id || identity.group !== group || identity.fleet !== fleet)
    throw refuse('it is for another device than the answer says')
}

function read(pem: string): X509Certificate[] {
  try {
    return readCertificates(pem)
  } catch (cause) {
    throw refuse('it cannot be read', cause)
  }
}

function only(certificates: X509Certificate[]): X509Certificate {
  const [first, ...others] = certificates
  if (!first || others.length > 0) throw refuse('there must be one certificate')
  return first
}

function refuse(why: string, cause?: unknown): MusterError {
  return new MusterError('certificate-untrusted', `the certificate that the server answered is refused: ${why}`, {
    cause,
  })
}
