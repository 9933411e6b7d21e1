import type { TLSSocket } from 'node:tls'
import { isName } from '@muster/contracts'
import type { Who } from '../refusal-log.ts'
import type { CertificateFields } from './certificate.ts'
import type { Peer } from './peer.ts'

/** Who a certificate says it is, on whatever terms: the names of its subject count only where they could be ours. */
export function readClaim(certificate: Omit<CertificateFields, 'raw'>): Who {
  const { subject, issuer, serialNumber, fingerprint256 } = certificate
  const name = (value: unknown) => (isName(value) ? value : undefined)
  return {
    fleet: name(subject?.O),
    device: name(subject?.CN),
    subject: writeName(subject),
    issuer: writeName(issuer),
    serial: String(serialNumber ?? '').toLowerCase(),
    fingerprint: String(fingerprint256 ?? '')
      .replaceAll(':', '')
      .toLowerCase(),
  }
}

/** Of a handshake that failed: the certificate may have come, and its key is not proved. */
export function readUnproven(socket: Pick<TLSSocket, 'getPeerCertificate'>): Who | undefined {
  const certificate = socket.getPeerCertificate()
  return certificate?.raw ? { ...readClaim(certificate), fingerprint: undefined } : undefined
}

export function whoIs({ identity, serial, issuer, fingerprint }: Peer): Who {
  const { fleet, group, device } = identity
  return { fleet, device, subject: `CN=${device}, OU=${group}, O=${fleet}`, issuer, serial, fingerprint }
}

/** `CN=pump-7, OU=default, O=default`; attributes that repeat stand side by side. */
export function writeName(name: unknown): string {
  const attributes = Object.entries((name ?? {}) as Record<string, string | string[]>)
  const order = ['CN', 'OU', 'O']
  const place = ([key]: [string, unknown]) => (order.indexOf(key) + order.length + 1) % (order.length + 1)
  return attributes
    .sort((a, b) => place(a) - place(b))
    .map(([key, value]) => `${key}=${[value].flat().join('+')}`)
    .join(', ')
}
