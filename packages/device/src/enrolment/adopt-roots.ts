import { X509Certificate } from 'node:crypto'
import { type Enrolment, MusterError } from '@muster/contracts'
import { certificateFingerprint, decodePem, encodePem } from '@muster/pki'
import { findPath, readCertificates } from '../trust/find-path.ts'

const maxRoots = 8

/**
 * The roots to trust from now on, PEM: those that a server whom `pinned` vouches for hands out. The pinned ones stay as well
 * where without them the new certificate would lead nowhere.
 * @throws MusterError `certificate-untrusted` if what is handed out are not root certificates
 */
export function adoptRoots(pinned: string, { roots, certificate, chain }: Enrolment): string {
  if (roots === undefined) return pinned
  const handedOut = readRoots(roots)
  const isEnough = findPath(new X509Certificate(certificate), readCertificates(chain), handedOut) !== undefined
  const kept = isEnough ? [] : readCertificates(pinned)
  const adopted = new Map([...handedOut, ...kept].map((root) => [root.fingerprint256, root.raw]))
  return [...adopted.values()].map((der) => encodePem('CERTIFICATE', der)).join('')
}

/** As the next request confirms them. */
export function fingerprintsOf(roots: string): string[] {
  return decodePem('CERTIFICATE', roots).map(certificateFingerprint).slice(0, maxRoots)
}

function readRoots(pem: string): X509Certificate[] {
  const roots = readOrRefuse(pem)
  if (roots.length === 0 || roots.length > maxRoots) throw refuse(`there are ${roots.length}`)
  for (const root of roots)
    if (!root.ca || !root.checkIssued(root) || !root.verify(root.publicKey)) throw refuse('one did not sign itself')
  return roots
}

function readOrRefuse(pem: string): X509Certificate[] {
  try {
    return readCertificates(pem)
  } catch (cause) {
    throw refuse('they cannot be read', cause)
  }
}

function refuse(why: string, cause?: unknown): MusterError {
  return new MusterError('certificate-untrusted', `the roots that the server hands out are refused: ${why}`, { cause })
}
