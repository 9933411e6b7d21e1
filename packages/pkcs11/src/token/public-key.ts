import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { TokenError } from './token-error.ts'

/** The curves of CA keys, by what CKA_EC_PARAMS says (an OBJECT IDENTIFIER, DER). */
export const curves = {
  p256: { name: 'P-256', bytes: 32, parameters: Buffer.from('06082a8648ce3d030107', 'hex') },
  p384: { name: 'P-384', bytes: 48, parameters: Buffer.from('06052b81040022', 'hex') },
} as const

/** SubjectPublicKeyInfo of an EC key; tokens give the point as it is or inside an OCTET STRING. */
export function encodeEcPublicKey(parameters: Buffer, point: Buffer): Buffer {
  const curve = Object.values(curves).find((known) => known.parameters.equals(parameters))
  if (!curve) throw new TokenError('key-unsuitable', 'a CA key in a token must be P-256, P-384 or RSA')
  // Uncompressed: 04, x, y. X9.62 §4.3.6
  const length = 1 + 2 * curve.bytes
  const isWhole = point.length >= length && point.at(-length) === 0x04
  if (!isWhole) throw new TokenError('key-unsuitable', 'the token gives a public key that is none')
  const [x, y] = [point.subarray(-2 * curve.bytes, -curve.bytes), point.subarray(-curve.bytes)]
  return encodeSpki({ kty: 'EC', crv: curve.name, x: x.toString('base64url'), y: y.toString('base64url') })
}

export function encodeRsaPublicKey(modulus: Buffer, exponent: Buffer): Buffer {
  return encodeSpki({ kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') })
}

function encodeSpki(key: JsonWebKey): Buffer {
  try {
    return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'der' })
  } catch {
    throw new TokenError('key-unsuitable', 'the token gives a public key that is none')
  }
}
