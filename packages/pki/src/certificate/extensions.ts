import { hash } from 'node:crypto'
import { isIP } from 'node:net'
import { oids } from '../der/oids.ts'
import { readDer } from '../der/reader.ts'
import {
  bitString,
  booleanTrue,
  contextConstructed,
  contextPrimitive,
  type Der,
  objectIdentifier,
  octetString,
  sequence,
  smallInteger,
} from '../der/writer.ts'
import { addressBytes } from './address.ts'

export function extension(oid: string, value: Der, critical = false): Der {
  const id = objectIdentifier(oid)
  return critical ? sequence(id, booleanTrue, octetString(value)) : sequence(id, octetString(value))
}

export const notCa: Der = extension(oids.basicConstraints, sequence(), true)

export function caConstraints(pathLength?: number): Der {
  const limit = pathLength === undefined ? [] : [smallInteger(pathLength)]
  return extension(oids.basicConstraints, sequence(booleanTrue, ...limit), true)
}

/** RFC 5280 §4.2.1.3, bits in order: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
export const keyUsage = {
  leaf: extension(oids.keyUsage, bitString(Uint8Array.of(0b1000_0000), 7), true),
  rootCa: extension(oids.keyUsage, bitString(Uint8Array.of(0b0000_0110), 1), true),
  /** digitalSignature too: it signs OCSP responses. */
  issuingCa: extension(oids.keyUsage, bitString(Uint8Array.of(0b1000_0110), 1), true),
}

export function extendedKeyUsage(usages: readonly string[]): Der {
  return extension(oids.extendedKeyUsage, sequence(...usages.map(objectIdentifier)))
}

/** RFC 7093 §2 method 1: the first 160 bits of SHA-256 over the key's bit string. */
export function keyIdentifier(spki: Uint8Array): Buffer {
  const keyBits = readDer(spki, 0x30, (info) => {
    info.element(0x30)
    return info.bitString()
  })
  return hash('sha256', keyBits, 'buffer').subarray(0, 20)
}

export function subjectKeyIdentifier(identifier: Uint8Array): Der {
  return extension(oids.subjectKeyIdentifier, octetString(identifier))
}

export function authorityKeyIdentifier(identifier: Uint8Array): Der {
  return extension(oids.authorityKeyIdentifier, sequence(contextPrimitive(0, identifier)))
}

export const uri = (url: string) => contextPrimitive(6, Buffer.from(url, 'latin1'))

/** One URI and any number of DNS names and addresses. */
export function subjectAltName(spiffeId: string, hosts: readonly string[]): Der {
  const names = hosts.map((host) =>
    isIP(host) ? contextPrimitive(7, addressBytes(host)) : contextPrimitive(2, Buffer.from(host, 'latin1')),
  )
  return extension(oids.subjectAltName, sequence(uri(spiffeId), ...names))
}

/** One distribution point, reachable at each of `urls`. */
export function crlDistributionPoints(urls: readonly string[]): Der {
  return distributionPoints(oids.crlDistributionPoints, urls)
}

/** The same form, also of other extensions. */
export function distributionPoints(oid: string, urls: readonly string[]): Der {
  const point = sequence(contextConstructed(0, contextConstructed(0, ...urls.map(uri))))
  return extension(oid, sequence(point))
}

export function authorityInfoAccess(ocspUrls: readonly string[], caIssuerUrls: readonly string[]): Der {
  const access = (method: string) => (url: string) => sequence(objectIdentifier(method), uri(url))
  const all = [...ocspUrls.map(access(oids.ocsp)), ...caIssuerUrls.map(access(oids.caIssuers))]
  return extension(oids.authorityInfoAccess, sequence(...all))
}
