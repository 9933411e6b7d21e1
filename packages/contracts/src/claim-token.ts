import { z } from 'zod'
import { MusterError } from './errors.ts'

const pattern = /^muster1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})$/

/** A claim as it is printed, scanned or flashed: `muster1.<id>.<secret>.<SHA-256 of the root certificate, hex>`. */
export const ClaimToken = z.string().max(256).regex(pattern, 'must look like muster1.<id>.<secret>.<root fingerprint>')

export interface ClaimParts {
  id: string
  /** 32 random bytes, base64url. */
  secret: string
  /** SHA-256 of the root certificate's DER, lower-case hex: what the first HTTPS connection is checked against. */
  rootFingerprint: string
}

export function formatClaimToken(parts: ClaimParts): string {
  return `muster1.${parts.id}.${parts.secret}.${parts.rootFingerprint}`
}

/** @throws MusterError `claim-invalid`; the token itself is never part of the message */
export function parseClaimToken(token: string): ClaimParts {
  const [, id, secret, rootFingerprint] = pattern.exec(token) ?? []
  if (!id || !secret || !rootFingerprint) throw new MusterError('claim-invalid', 'the claim is not well-formed')
  return { id, secret, rootFingerprint }
}
