import type { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { type Csr, readCsr } from '../csr/read.ts'
import { decodeBase64 } from '../pem.ts'
import { isSignatureValid, signatureAlgorithmFor } from '../signatures.ts'
import type { RenewalProof } from './create.ts'
import { encodeRenewalMessage } from './message.ts'

const fields = ['at', 'csr', 'nonce', 'serial', 'signature', 'version']
const maxCsrLength = 24 * 1024
const maxSignatureLength = 1024

/**
 * Checks the form of a proof and nothing else: its serial number tells which certificate to verify it with.
 * @throws MusterError `request-invalid`
 */
export function parseRenewalProof(input: unknown): RenewalProof {
  if (typeof input !== 'object' || input === null) throw refuse('a renewal proof is an object')
  if (Object.keys(input).sort().join() !== fields.join()) throw refuse(`a renewal proof has ${fields.join(', ')}`)
  const { version, serial, csr, at, nonce, signature } = input as Record<keyof RenewalProof, unknown>
  if (version !== 1) throw refuse('the version of the renewal proof is not 1')
  if (!isText(serial, /^(?:[0-9a-f]{2}){1,20}$/)) throw refuse('serial is not a serial number in lower-case hex')
  if (!isText(nonce, /^[0-9a-f]{32}$/)) throw refuse('nonce is not 16 octets in lower-case hex')
  if (!isText(csr, /^[A-Za-z0-9+/]+=*$/) || csr.length > maxCsrLength) throw refuse('csr is not base64')
  if (!isText(signature, /^[A-Za-z0-9+/]+=*$/) || signature.length > maxSignatureLength)
    throw refuse('signature is not base64')
  // 8.64e15 is the end of time for a Date.
  if (typeof at !== 'number' || !Number.isInteger(at) || at < 0 || at > 8.64e15) throw refuse('at is not a time')
  return { version, serial, csr, at, nonce, signature }
}

/** A proof that was made with the key of the certificate it names. */
export interface VerifiedRenewal {
  csr: Csr
  /** The request as it was sent. */
  csrDer: Buffer
  /** The device's clock. Whoever passes a proof on may hold it back or repeat it; so renewal is idempotent for a key. */
  at: Date
  nonce: string
}

/**
 * Verifies a proof with the certificate that its serial number names. Whether that certificate may still renew is for the caller to say.
 * @throws MusterError `request-invalid`, `not-authenticated`, `csr-invalid` or `key-not-allowed`
 */
export function verifyRenewalProof(input: unknown, certificate: X509Certificate): VerifiedRenewal {
  const proof = parseRenewalProof(input)
  const { serial, nonce } = proof
  if (certificate.serialNumber.toLowerCase() !== serial) throw refuseProof('it names another certificate')
  const csrDer = decodeBase64(proof.csr)
  const at = new Date(proof.at)
  const message = encodeRenewalMessage({ serial, csr: csrDer, at, nonce: Buffer.from(nonce, 'hex') })
  const { publicKey } = certificate
  if (!isSignatureValid(signatureAlgorithmFor(publicKey), message, publicKey, decodeBase64(proof.signature)))
    throw refuseProof('the signature is not by the key of the certificate')
  return { csr: readCsr(csrDer), csrDer, at, nonce }
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value)
}

function refuse(why: string): MusterError {
  return new MusterError('request-invalid', why)
}

function refuseProof(why: string): MusterError {
  return new MusterError('not-authenticated', `the renewal proof does not hold: ${why}`)
}
