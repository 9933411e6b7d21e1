import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { type Enrolment, MusterError, parsePeerIdentity } from '@muster/contracts'
import { decodePem } from '@muster/pki'

const maxChain = 8

/**
 * Checks what cannot be believed for being well-formed: the certificate carries our key and the name that was answered,
 * is signed by way of the chain by the pinned root, and is valid now, by the server's clock (a new device's own may be unset).
 * @throws MusterError `certificate-untrusted`
 */
export function requireValidEnrolment(enrolment: Enrolment, key: KeyObject, rootPem: string): void {
  const leaf = only(readCertificates(enrolment.certificate))
  const chain = readCertificates(enrolment.chain)
  if (chain.length > maxChain) throw refuse('the chain is too long')
  if (!leaf.publicKey.equals(createPublicKey(key))) throw refuse('it is for another key')
  const at = new Date(enrolment.serverTime)

  let subject = leaf
  for (const issuer of [...chain, new X509Certificate(rootPem)]) {
    if (subject.validFromDate > at) throw refuse('a certificate of the chain is not valid yet')
    if (subject.validToDate <= at) throw refuse('a certificate of the chain has expired')
    if (!issuer.ca || !subject.checkIssued(issuer) || !subject.verify(issuer.publicKey))
      throw refuse('the chain does not lead to the pinned root')
    subject = issuer
  }

  const identity = parsePeerIdentity(leaf.toLegacyObject())
  const { id, group, fleet } = enrolment.device
  if (identity.device !== id || identity.group !== group || identity.fleet !== fleet)
    throw refuse('it is for another device than the answer says')
}

function readCertificates(pem: string): X509Certificate[] {
  try {
    return decodePem('CERTIFICATE', pem).map((der) => new X509Certificate(der))
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
