import { MusterError } from '@muster/contracts'
import type { CertificateFields } from './certificate.ts'
import { writeName } from './who.ts'

const unknownIssuer = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
])

/** OpenSSL's verdict on a chain, as a refusal in words that somebody can act on. */
export function explainChain(reason: string, certificate: CertificateFields): MusterError {
  const { issuer, subject, valid_from, valid_to } = certificate
  const at = (date: string) => new Date(date).toISOString()
  switch (reason) {
    case 'CERT_HAS_EXPIRED':
      return new MusterError('certificate-expired', `it, or a CA above it, has expired; it ended at ${at(valid_to)}`)
    case 'CERT_NOT_YET_VALID':
      return new MusterError('certificate-not-yet-valid', `valid from ${at(valid_from)}: is a clock wrong?`)
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return new MusterError('certificate-untrusted', `it is signed by itself: "${writeName(subject)}"`)
    case 'CERT_SIGNATURE_FAILURE':
      return new MusterError(
        'certificate-untrusted',
        `its signature is not by the issuer it names: "${writeName(issuer)}"`,
      )
    case 'INVALID_PURPOSE':
      return new MusterError('certificate-untrusted', 'it is not for TLS clients (extended key usage)')
    default: {
      const why = unknownIssuer.has(reason) ? 'its issuer is unknown here' : `OpenSSL says ${reason}`
      return new MusterError('certificate-untrusted', `${why}; it names "${writeName(issuer)}" as its issuer`)
    }
  }
}
