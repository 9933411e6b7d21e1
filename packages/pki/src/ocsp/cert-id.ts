import { hash, type X509Certificate } from 'node:crypto'
import { extension } from '../certificate/extensions.ts'
import { readCertificateParts } from '../certificate/read.ts'
import { encodeSerial } from '../crl/serial.ts'
import { oids } from '../der/oids.ts'
import { readDer } from '../der/reader.ts'
import { contextConstructed, encodeDer, nullValue, objectIdentifier, octetString, sequence } from '../der/writer.ts'
import type { OcspCertId } from './request.ts'

/** SHA-1 is no weakness here: it picks one of our few issuers. */
export type OcspHash = 'sha1' | 'sha256'

const algorithm = (name: OcspHash, ...parameters: Uint8Array[]) =>
  encodeDer(sequence(objectIdentifier(oids[name]), ...parameters))

const identifiers: Record<OcspHash, Buffer> = { sha1: algorithm('sha1', nullValue), sha256: algorithm('sha256') }

/** By AlgorithmIdentifier (hex). RFC 5754 §2: NULL or absent, both are read. */
export const hashNames: ReadonlyMap<string, OcspHash> = new Map(
  (['sha1', 'sha256'] as const).flatMap((name) =>
    [algorithm(name), algorithm(name, nullValue)].map((identifier) => [identifier.toString('hex'), name] as const),
  ),
)

/** How clients name an issuer. */
export type OcspIssuerHashes = Record<OcspHash, { name: Buffer; key: Buffer }>

/** The hashes of a CA certificate by which its certificates are asked for. */
export function ocspIssuerHashes(issuer: X509Certificate): OcspIssuerHashes {
  const { subject, spki } = readCertificateParts(issuer.raw)
  const of = (name: OcspHash) => ({ name: hash(name, subject, 'buffer'), key: ocspKeyHash(spki, name) })
  return { sha1: of('sha1'), sha256: of('sha256') }
}

/** RFC 6960 §4.1.1: over the bits of the key, without tag, length and the number of unused bits. */
export function ocspKeyHash(spki: Uint8Array, name: OcspHash): Buffer {
  const keyBits = readDer(spki, 0x30, (info) => {
    info.element(0x30)
    return info.bitString()
  })
  return hash(name, keyBits, 'buffer')
}

/** Is it a certificate of this issuer that is asked for? */
export function isIssuedBy({ hash, issuerNameHash, issuerKeyHash }: OcspCertId, issuer: OcspIssuerHashes): boolean {
  return hash !== undefined && issuer[hash].name.equals(issuerNameHash) && issuer[hash].key.equals(issuerKeyHash)
}

/** The CertID (DER) of a certificate, for answers nobody has asked for yet: stapling, and what is prepared for a cache. */
export function encodeOcspCertId(issuer: OcspIssuerHashes, serial: string, name: OcspHash = 'sha1'): Buffer {
  const { name: nameHash, key } = issuer[name]
  return encodeDer(sequence(identifiers[name], octetString(nameHash), octetString(key), encodeSerial(serial)))
}

/** An OCSPRequest (DER) for those CertIDs. */
export function encodeOcspRequest(certIds: readonly Uint8Array[], nonce?: Uint8Array): Buffer {
  const list = sequence(...certIds.map((certId) => sequence(certId)))
  const extensions = nonce ? [contextConstructed(2, sequence(encodeNonce(nonce)))] : []
  return encodeDer(sequence(sequence(list, ...extensions)))
}

/** An OCSPRequest (DER) for one certificate of `issuer`, without a nonce: its answer may come from a cache. */
export function createOcspRequest(certificate: X509Certificate, issuer: X509Certificate): Buffer {
  return encodeOcspRequest([encodeOcspCertId(ocspIssuerHashes(issuer), certificate.serialNumber.toLowerCase())])
}

export const encodeNonce = (nonce: Uint8Array) => extension(oids.ocspNonce, octetString(nonce))
