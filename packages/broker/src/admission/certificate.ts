import type { X509Certificate } from 'node:crypto'
import type { PeerCertificate, TLSSocket } from 'node:tls'

export type CertificateFields = Pick<
  PeerCertificate,
  'raw' | 'subject' | 'subjectaltname' | 'issuer' | 'serialNumber' | 'fingerprint256' | 'valid_from' | 'valid_to'
>

/** What `getPeerCertificate` tells, as far as it is used: it also decodes the key and two more fingerprints, on every connection. */
export function readCertificate(tls: Pick<TLSSocket, 'getPeerX509Certificate'>): CertificateFields | undefined {
  const certificate = tls.getPeerX509Certificate()
  return certificate && describeCertificate(certificate)
}

export function describeCertificate(certificate: X509Certificate): CertificateFields {
  const { subject, issuer, subjectAltName, serialNumber, fingerprint256, validFrom, validTo } = certificate
  return {
    get raw() {
      return certificate.raw as PeerCertificate['raw']
    },
    subject: readName(subject),
    issuer: readName(issuer),
    ...(subjectAltName !== undefined && { subjectaltname: subjectAltName }),
    serialNumber,
    fingerprint256,
    valid_from: validFrom,
    valid_to: validTo,
  }
}

/** An attribute a line, as OpenSSL writes them: it escapes line ends within one. One that repeats is an array. */
function readName(name: string | undefined): PeerCertificate['subject'] {
  const attributes = new Map<string, string | string[]>()
  for (const line of (name ?? '').split('\n')) {
    const at = line.indexOf('=')
    if (line === '') continue
    const [key, value] = [line.slice(0, at), line.slice(at + 1)]
    const before = attributes.get(key)
    attributes.set(key, before === undefined ? value : [before, value].flat())
  }
  return Object.fromEntries(attributes) as unknown as PeerCertificate['subject']
}
