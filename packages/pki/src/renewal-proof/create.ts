import { type KeyObject, randomBytes, sign } from 'node:crypto'
import { signatureAlgorithmFor } from '../signatures.ts'
import { encodeRenewalMessage } from './message.ts'

/** A request for renewal that needs no trusted channel; a JSON document of exactly these fields. */
export interface RenewalProof {
  version: 1
  /** Of the certificate that is renewed; lower-case hex. */
  serial: string
  /** The new request: DER in base64. */
  csr: string
  /** Milliseconds since 1970 by the device's own clock. */
  at: number
  /** 16 octets, lower-case hex. */
  nonce: string
  /** By the key of the certificate that is renewed; base64. */
  signature: string
}

export interface RenewalProofInput {
  serial: string
  /** The current private key. */
  key: KeyObject
  /** DER, of the same key or a new one. */
  csr: Uint8Array
  at: Date
}

/** Proves that the holder of the current key wants a certificate for `csr`. */
export function createRenewalProof({ serial, key, csr, at }: RenewalProofInput): RenewalProof {
  const nonce = randomBytes(16)
  const message = encodeRenewalMessage({ serial, csr, at, nonce })
  return {
    version: 1,
    serial,
    csr: Buffer.from(csr).toString('base64'),
    at: at.getTime(),
    nonce: nonce.toString('hex'),
    signature: sign(signatureAlgorithmFor(key).hash, message, key).toString('base64'),
  }
}
