import type { TLSSocket } from 'node:tls'
import { type Identity, MusterError, parsePeerIdentity, spiffeId } from '@muster/contracts'
import type { Who } from '../refusal-log.ts'
import type { CertificateFields } from './certificate.ts'
import { explainChain } from './explain-chain.ts'
import { readClaim, writeName } from './who.ts'

/** Whose certificate is at the other end, after the chain was found good. */
export interface Peer {
  identity: Identity
  /** Lower-case hex, like `fingerprint`, the SHA-256 of the certificate's DER. */
  serial: string
  fingerprint: string
  /** The name of who has signed it. */
  issuer: string
  notBefore: Date
  notAfter: Date
}

export interface PeerRefusal {
  refusal: MusterError
  /** Whom the certificate claims to speak for, as far as that can be read; it may be a lie. */
  who: Who | undefined
}

const expired = 'CERT_HAS_EXPIRED'

/**
 * On a resumed session the chain's verdict is the first handshake's, and OpenSSL calls a TLS 1.3 session without any
 * certificate authorised: so the certificate must be there, and dates and registry are judged on every connection.
 */
export function readPeer(
  socket: Pick<TLSSocket, 'authorized' | 'authorizationError'>,
  certificate: CertificateFields | undefined,
  trustDomain: string,
  isOnlyExpired: (certificate: CertificateFields) => boolean,
): { peer: Peer } | PeerRefusal {
  if (!certificate) {
    const refusal = new MusterError('certificate-missing', 'a client certificate is needed')
    return { refusal, who: undefined }
  }
  let identity: Identity | undefined
  let unreadable: MusterError | undefined
  try {
    identity = readIdentity(certificate, trustDomain)
  } catch (error) {
    if (!(error instanceof MusterError)) throw error
    unreadable = error
  }
  const reason = String(socket.authorizationError)
  // Whether a late device may come in to renew is for the registry to say.
  if (!socket.authorized && !(reason === expired && isOnlyExpired(certificate))) {
    return { refusal: explainChain(reason, certificate), who: readClaim(certificate) }
  }
  if (!identity) {
    const refusal = unreadable ?? new MusterError('certificate-subject', 'the subject cannot be read')
    return { refusal, who: readClaim(certificate) }
  }
  return {
    peer: {
      identity,
      serial: certificate.serialNumber.toLowerCase(),
      fingerprint: readFingerprint(certificate),
      issuer: writeName(certificate.issuer),
      notBefore: new Date(certificate.valid_from),
      notAfter: new Date(certificate.valid_to),
    },
  }
}

/** SHA-256, lower-case hex. */
export function readFingerprint({ fingerprint256 }: Pick<CertificateFields, 'fingerprint256'>): string {
  return fingerprint256.replaceAll(':', '').toLowerCase()
}

function readIdentity(certificate: CertificateFields, trustDomain: string): Identity {
  const { subject, subjectaltname } = certificate
  const identity = parsePeerIdentity({ subject: { ...subject }, subjectaltname })
  const names = (subjectaltname ?? '').split(', ')
  if (!names.includes(`URI:${spiffeId(trustDomain, identity)}`)) {
    const given = names.find((name) => name.startsWith('URI:spiffe://'))?.split('/')[2]
    throw new MusterError('certificate-subject', `the certificate is of trust domain ${given}; this is ${trustDomain}`)
  }
  return identity
}
