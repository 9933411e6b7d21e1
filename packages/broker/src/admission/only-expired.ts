import { X509Certificate } from 'node:crypto'

/**
 * Whether a certificate lacks nothing but time. OpenSSL's "expired" does not say so: it names one fault of a chain, the last
 * one it came across, so that an expired certificate of a stranger looks the same.
 */
export function isOnlyExpired(
  { raw, valid_to }: { raw: Buffer; valid_to: string },
  authorities: readonly X509Certificate[],
  now: Date,
): boolean {
  if (now < new Date(valid_to)) return false
  const certificate = new X509Certificate(raw)
  return authorities.some((above) => certificate.checkIssued(above) && certificate.verify(above.publicKey))
}
