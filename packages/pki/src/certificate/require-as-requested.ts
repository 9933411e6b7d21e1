import { type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Identity } from '@muster/contracts'
import { profiles } from '../profiles.ts'
import { addressBytes } from './address.ts'
import { readCertificateParts } from './read.ts'

export interface ExpectedCertificate {
  serial: string
  identity: Identity
  uri: string
  hosts: readonly string[]
  spki: Uint8Array
  notBefore: Date
  notAfter: Date
}

/** Parses what was signed with OpenSSL, a second opinion on our own writer, and throws where it says something else. */
export function requireAsRequested(
  der: Buffer,
  issuer: X509Certificate,
  issuerKey: KeyObject,
  expected: ExpectedCertificate,
): void {
  const certificate = new X509Certificate(der)
  const { identity, hosts } = expected
  const agreement: Record<string, boolean> = {
    signature: certificate.verify(issuerKey),
    issuer: certificate.checkIssued(issuer),
    key: certificate.publicKey.type === 'public' && readCertificateParts(der).spki.equals(expected.spki),
    serial: certificate.serialNumber.toLowerCase() === expected.serial,
    subject: certificate.subject === `CN=${identity.device}\nOU=${identity.group}\nO=${identity.fleet}`,
    subjectAltName: certificate.subjectAltName === [`URI:${expected.uri}`, ...hosts.map(describeHost)].join(', '),
    notBefore: certificate.validFromDate.getTime() === expected.notBefore.getTime(),
    notAfter: certificate.validToDate.getTime() === expected.notAfter.getTime(),
    notCa: !certificate.ca,
    usage: certificate.keyUsage?.join() === profiles[identity.profile].extendedKeyUsage.join(),
  }
  const wrong = Object.keys(agreement).filter((what) => !agreement[what])
  if (wrong.length > 0) throw new Error(`a certificate was signed that differs from the request: ${wrong.join(', ')}`)
}

/** As OpenSSL prints it. */
function describeHost(host: string): string {
  if (!isIP(host)) return `DNS:${host}`
  const bytes = addressBytes(host)
  if (bytes.length === 4) return `IP Address:${bytes.join('.')}`
  const groups = Array.from({ length: 8 }, (_, i) =>
    bytes
      .readUInt16BE(i * 2)
      .toString(16)
      .toUpperCase(),
  )
  return `IP Address:${groups.join(':')}`
}
