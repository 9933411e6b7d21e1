import { X509Certificate } from 'node:crypto'
import { decodePem } from '@muster/pki'

const maxChain = 8

/**
 * Whether `leaf` leads, by way of `chain` in its order, to one of `roots`: signatures, names and CA bits. Answers the certificates
 * that were needed, the leaf first and the root not among them; undefined where it does not.
 */
export function findPath(
  leaf: X509Certificate,
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): X509Certificate[] | undefined {
  if (chain.length > maxChain) return undefined
  const path: X509Certificate[] = []
  let subject = leaf
  for (const issuer of [...chain, undefined]) {
    path.push(subject)
    if (roots.some((root) => isIssuedBy(subject, root))) return path
    if (!issuer || !isIssuedBy(subject, issuer)) return undefined
    subject = issuer
  }
  return undefined
}

export function readCertificates(pem: string): X509Certificate[] {
  return decodePem('CERTIFICATE', pem).map((der) => new X509Certificate(der))
}

function isIssuedBy(subject: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey)
}
