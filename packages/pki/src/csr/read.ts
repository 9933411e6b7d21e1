import type { KeyObject } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { describeName } from '../certificate/name.ts'
import { type DerReader, readDer, requireWellFormed } from '../der/reader.ts'
import { keyFingerprint } from '../fingerprint.ts'
import { requireAllowedKey } from '../keys/require-allowed-key.ts'
import { decodeBase64, decodePem } from '../pem.ts'
import { findSignatureAlgorithm, isSignatureValid } from '../signatures.ts'

/** A request whose signature was verified with its own key. */
export interface Csr {
  publicKey: KeyObject
  /** SubjectPublicKeyInfo, DER. */
  spki: Buffer
  /** SHA-256 of `spki`, lower-case hex. */
  keyFingerprint: string
  /** What the device says of itself, for people to read: nothing may be decided by it. */
  subject?: string
}

const maxDerBytes = 16 * 1024
const maxTextLength = 2 * maxDerBytes

/**
 * Reads and verifies a PKCS#10 request: PEM or base64 as a string, DER as bytes.
 * @throws MusterError `csr-invalid` or `key-not-allowed`, and nothing else, whatever the input
 */
export function readCsr(input: string | Uint8Array): Csr {
  try {
    return verifyRequest(decode(input))
  } catch (error) {
    if (error instanceof MusterError && error.code !== 'request-invalid') throw error
    const why = error instanceof MusterError ? error.detail : 'the request is not a well-formed PKCS#10 request'
    throw refuse(why, error)
  }
}

function decode(input: string | Uint8Array): Buffer {
  const limit = typeof input === 'string' ? maxTextLength : maxDerBytes
  if (input.length > limit) throw refuse('the request is too large')
  const der = typeof input === 'string' ? decodeText(input) : Buffer.from(input)
  if (der.length > maxDerBytes) throw refuse('the request is too large')
  return der
}

function decodeText(text: string): Buffer {
  if (!text.includes('-----BEGIN')) return decodeBase64(text)
  const label = text.includes('-----BEGIN NEW CERTIFICATE REQUEST-----')
    ? 'NEW CERTIFICATE REQUEST'
    : 'CERTIFICATE REQUEST'
  const [der, ...more] = decodePem(label, text)
  if (!der || more.length > 0) throw refuse('exactly one request is expected')
  return der
}

function verifyRequest(der: Buffer): Csr {
  requireWellFormed(der)
  const { info, algorithmIdentifier, signature } = readDer(der, 0x30, (request) => ({
    info: request.element(0x30).raw,
    algorithmIdentifier: request.element(0x30).raw,
    signature: request.bitString(),
  }))
  const { subject, spki } = readDer(info, 0x30, readInfo)
  const publicKey = requireAllowedKey(spki)
  const algorithm = findSignatureAlgorithm(algorithmIdentifier)
  if (!algorithm)
    throw refuse(
      `signature algorithm ${describeAlgorithm(algorithmIdentifier)} is not accepted: SHA-256 or better is needed`,
    )
  if (!isSignatureValid(algorithm, info, publicKey, signature)) throw refuse('the signature is not the key’s own')
  return { publicKey, spki, keyFingerprint: keyFingerprint(spki), ...(subject && { subject }) }
}

/** RFC 2986 §4.1. Attributes are checked for their form and ignored. */
function readInfo(info: DerReader): { subject: string; spki: Buffer } {
  if (info.unsignedInteger().toString('hex') !== '00') throw refuse('the version of the request is not 1')
  const subject = info.enter(0x30, describeName)
  const spki = info.element(0x30).raw
  info.enter(0xa0, (attributes) => {
    while (!attributes.done)
      attributes.enter(0x30, (attribute) => {
        attribute.objectIdentifier()
        attribute.element(0x31)
      })
  })
  return { subject, spki }
}

function describeAlgorithm(algorithmIdentifier: Buffer): string {
  return readDer(algorithmIdentifier, 0x30, (algorithm) => {
    const oid = algorithm.objectIdentifier()
    while (!algorithm.done) algorithm.next()
    return oid
  })
}

function refuse(why: string, cause?: unknown): MusterError {
  return new MusterError('csr-invalid', why, { cause })
}
