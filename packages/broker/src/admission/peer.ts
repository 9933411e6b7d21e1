import type { PeerCertificate, TLSSocket } from 'node:tls'
import { type ErrorCode, type Identity, MusterError, parsePeerIdentity, spiffeId } from '@muster/contracts'

/** Whose certificate is at the other end, after the chain was found good. */
export interface Peer {
  identity: Identity
  /** Lower-case hex, like `fingerprint`, the SHA-256 of the certificate's DER. */
  serial: string
  fingerprint: string
  notBefore: Date
  notAfter: Date
}

export interface PeerRefusal {
  refusal: MusterError
  /** Whom the certificate claims to speak for, as far as that can be read; it may be a lie. */
  named: Identity | undefined
}

/** What OpenSSL's verdict on a chain is called here, where it is not simply untrusted. */
const expired = 'CERT_HAS_EXPIRED'
const dateCodes = new Map<string, ErrorCode>([
  [expired, 'certificate-expired'],
  ['CERT_NOT_YET_VALID', 'certificate-not-yet-valid'],
])

/**
 * On a resumed session the chain's verdict is the first handshake's, and OpenSSL calls a TLS 1.3 session without any
 * certificate authorised: so the certificate must be there, and dates and registry are judged on every connection.
 */
export function readPeer(
  socket: Pick<TLSSocket, 'authorized' | 'authorizationError' | 'getPeerCertificate'>,
  trustDomain: string,
  isOnlyExpired: (certificate: PeerCertificate) => boolean,
): { peer: Peer } | PeerRefusal {
  const certificate = socket.getPeerCertificate()
  if (!certificate?.raw) {
    const refusal = new MusterError('certificate-missing', 'a client certificate is needed')
    return { refusal, named: undefined }
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
    const refusal = new MusterError(dateCodes.get(reason) ?? 'certificate-untrusted', `not trusted: ${reason}`)
    return { refusal, named: identity }
  }
  if (!identity) {
    const refusal = unreadable ?? new MusterError('certificate-subject', 'the subject cannot be read')
    return { refusal, named: undefined }
  }
  return {
    peer: {
      identity,
      serial: certificate.serialNumber.toLowerCase(),
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      notBefore: new Date(certificate.valid_from),
      notAfter: new Date(certificate.valid_to),
    },
  }
}

/** SHA-256 of the certificate at the other end, lower-case hex. */
export function readFingerprint(socket: Pick<TLSSocket, 'getPeerX509Certificate'>): string | undefined {
  return socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase()
}

function readIdentity(certificate: PeerCertificate, trustDomain: string): Identity {
  const { subject, subjectaltname } = certificate
  const identity = parsePeerIdentity({ subject: { ...subject }, subjectaltname })
  const names = (subjectaltname ?? '').split(', ')
  if (!names.includes(`URI:${spiffeId(trustDomain, identity)}`))
    throw new MusterError('certificate-subject', 'the SPIFFE ID is of another trust domain')
  return identity
}
