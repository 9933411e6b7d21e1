import { hash } from 'node:crypto'

/** SHA-256 of a certificate's DER, lower-case hex. */
export function certificateFingerprint(der: Uint8Array): string {
  return hash('sha256', der, 'hex')
}

/** SHA-256 of a public key's SubjectPublicKeyInfo DER, lower-case hex. */
export function keyFingerprint(spki: Uint8Array): string {
  return hash('sha256', spki, 'hex')
}
