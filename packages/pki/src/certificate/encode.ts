import {
  bitString,
  contextConstructed,
  type Der,
  encodeDer,
  sequence,
  smallInteger,
  time,
  unsignedInteger,
} from '../der/writer.ts'
import type { SignatureAlgorithm } from '../signatures.ts'

export interface CertificateFields {
  /** Big-endian. */
  serial: Uint8Array
  issuer: Der
  subject: Der
  notBefore: Date
  notAfter: Date
  spki: Uint8Array
  extensions: readonly Der[]
}

const version3 = contextConstructed(0, smallInteger(2))

/** RFC 5280 §4.1: what is signed. */
export function encodeTbsCertificate(fields: CertificateFields, algorithm: SignatureAlgorithm): Buffer {
  return encodeDer(
    sequence(
      version3,
      unsignedInteger(fields.serial),
      algorithm.identifier,
      fields.issuer,
      sequence(time(fields.notBefore), time(fields.notAfter)),
      fields.subject,
      fields.spki,
      contextConstructed(3, sequence(...fields.extensions)),
    ),
  )
}

/** The envelope that certificates, requests and CRLs share. */
export function encodeSigned(signed: Uint8Array, algorithm: SignatureAlgorithm, signature: Uint8Array): Buffer {
  return encodeDer(sequence(signed, algorithm.identifier, bitString(signature)))
}
