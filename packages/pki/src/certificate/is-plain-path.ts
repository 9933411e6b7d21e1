import type { X509Certificate } from 'node:crypto'
import { oids } from '../der/oids.ts'
import { DerReader } from '../der/reader.ts'
import { requireAllowedSpki } from '../keys/require-allowed-key.ts'
import { findSignatureAlgorithm } from '../signatures.ts'
import { type CertificateParts, readCertificateParts } from './read.ts'

/** What these say is judged here or changes no verdict; constraints on names and policies are not among them. */
const understood: readonly string[] = [
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectAltName,
  oids.subjectKeyIdentifier,
  oids.authorityKeyIdentifier,
  oids.crlDistributionPoints,
  oids.authorityInfoAccess,
]
const bit = { digitalSignature: 0x80, keyCertSign: 0x04 }

/**
 * Whether a path to a server, the leaf first and `root` not in it, has nothing in it that OpenSSL might judge otherwise than a check of names, dates
 * and signatures, which is the caller's: usages, path lengths, algorithms and keys are in order, and there is no extension beyond the usual ones.
 */
export function isPlainPath(path: readonly X509Certificate[], root: X509Certificate): boolean {
  try {
    const [leaf, ...authorities] = [...path, root].map(({ raw }) => readCertificateParts(raw))
    if (!leaf || authorities.length === 0) return false
    const isUsual = [leaf, ...authorities].every((parts) => {
      requireAllowedSpki(parts.spki)
      return [...parts.extensions.keys()].every((oid) => understood.includes(oid)) && isFor(parts, oids.serverAuth)
    })
    return (
      isUsual &&
      path.every(({ raw }) => isSignedSoundly(readCertificateParts(raw))) &&
      isAllowed(leaf, bit.digitalSignature) &&
      leaf.extensions.has(oids.extendedKeyUsage) &&
      authorities.every((parts, below) => isAllowed(parts, bit.keyCertSign) && maySignAbove(parts, below))
    )
  } catch {
    return false
  }
}

/** RFC 5280 §4.1.1.2: inside and outside alike. */
const isSignedSoundly = ({ signatureAlgorithms: [inside, outside] }: CertificateParts) =>
  inside.equals(outside) && findSignatureAlgorithm(inside) !== undefined

/** A CA that may have so many others below it. */
function maySignAbove({ extensions }: CertificateParts, below: number): boolean {
  const value = extensions.get(oids.basicConstraints)
  if (!value) return false
  return new DerReader(value).enter(0x30, (constraints) => {
    const isCa = constraints.element(0x01).content.equals(Buffer.of(0xff))
    if (constraints.done) return isCa
    return isCa && BigInt(`0x${constraints.unsignedInteger().toString('hex') || '0'}`) >= below
  })
}

/** Where there is no such extension, nothing is forbidden. */
function isFor({ extensions }: CertificateParts, usage: string): boolean {
  const value = extensions.get(oids.extendedKeyUsage)
  if (!value) return true
  return new DerReader(value).enter(0x30, (list) => {
    const usages: string[] = []
    while (!list.done) usages.push(list.objectIdentifier())
    return usages.includes(usage)
  })
}

function isAllowed({ extensions }: CertificateParts, usage: number): boolean {
  const value = extensions.get(oids.keyUsage)
  // The first octet counts the unused bits of the last.
  return value === undefined || ((new DerReader(value).element(0x03).content[1] ?? 0) & usage) !== 0
}
