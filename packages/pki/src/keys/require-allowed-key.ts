import { createPublicKey, type KeyObject } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { oids } from '../der/oids.ts'
import { DerError, readDer } from '../der/reader.ts'
import { encodeDer, nullValue, objectIdentifier, sequence } from '../der/writer.ts'
import { encodePem } from '../pem.ts'
import { isWeakEd25519Point } from './weak-ed25519.ts'
import { requireSoundModulus } from './weak-rsa.ts'

const minRsaBits = 2048
const maxRsaBits = 4096
const rsaExponent = '010001'

const algorithmIdentifier = (oid: string, ...parameters: Uint8Array[]) =>
  encodeDer(sequence(objectIdentifier(oid), ...parameters)).toString('hex')

/** The one spelling each kind of key may have: two encodings of a key would be two fingerprints. */
const judges: Record<string, (keyBits: Buffer) => void> = {
  [algorithmIdentifier(oids.ecPublicKey, objectIdentifier(oids.p256))]: (bits) => requirePoint(bits, 32),
  [algorithmIdentifier(oids.ecPublicKey, objectIdentifier(oids.p384))]: (bits) => requirePoint(bits, 48),
  [algorithmIdentifier(oids.ed25519)]: requireEd25519,
  [algorithmIdentifier(oids.rsaEncryption, nullValue)]: requireRsa,
}

/**
 * The rule for every key that a certificate may carry: P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits with e = 65537.
 * @throws MusterError `key-not-allowed`
 */
export function requireAllowedKey(spki: Uint8Array): KeyObject {
  requireAllowedSpki(spki)
  try {
    // As PEM: given DER, Node 24 finds out what it was handed through two exceptions, which takes longer than to read the key.
    return createPublicKey(encodePem('PUBLIC KEY', spki))
  } catch (error) {
    throw refuse('the public key is not valid', error)
  }
}

/** The same rule without the arithmetic: whether an EC point is on its curve shows when the key is used. */
export function requireAllowedSpki(spki: Uint8Array): void {
  try {
    const { algorithm, keyBits } = readDer(spki, 0x30, (info) => ({
      algorithm: info.element(0x30).raw.toString('hex'),
      keyBits: info.bitString(),
    }))
    const judge = judges[algorithm]
    if (!judge) throw refuse('the key must be P-256, P-384 (as named curves), Ed25519 or RSA')
    judge(keyBits)
  } catch (error) {
    if (error instanceof DerError) throw refuse('the public key is malformed', error)
    throw error
  }
}

function requirePoint(bits: Buffer, coordinateBytes: number): void {
  if (bits[0] !== 4 || bits.length !== 1 + 2 * coordinateBytes) throw refuse('the EC point must be uncompressed')
}

function requireEd25519(bits: Buffer): void {
  if (bits.length !== 32) throw refuse('an Ed25519 key has 32 octets')
  if (isWeakEd25519Point(bits)) throw refuse('the Ed25519 key is weak')
}

function requireRsa(bits: Buffer): void {
  const { modulus, exponent } = readDer(bits, 0x30, (key) => ({
    modulus: key.unsignedInteger(),
    exponent: key.unsignedInteger(),
  }))
  const bitLength = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  if (bitLength < minRsaBits || bitLength > maxRsaBits)
    throw refuse(`an RSA key must have ${minRsaBits} to ${maxRsaBits} bits, this one has ${bitLength}`)
  if (exponent.toString('hex') !== rsaExponent) throw refuse('the RSA exponent must be 65537')
  requireSoundModulus(modulus)
}

function refuse(why: string, cause?: unknown): MusterError {
  return new MusterError('key-not-allowed', why, { cause })
}
