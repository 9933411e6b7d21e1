import { MusterError } from '@muster/contracts'
import { oids } from '../der/oids.ts'
import { DerError, DerReader, readDer, requireWellFormed } from '../der/reader.ts'
import { decodeBase64 } from '../pem.ts'
import { hashNames, type OcspHash } from './cert-id.ts'

/** A certificate as a client names it. */
export interface OcspCertId {
  /** As it was sent; the answer repeats it. */
  raw: Buffer
  /** Absent: one that no issuer can be recognised by. */
  hash?: OcspHash
  issuerNameHash: Buffer
  issuerKeyHash: Buffer
  /** Lower-case hex. */
  serial: string
}

export interface OcspRequest {
  certIds: OcspCertId[]
  /** RFC 9654: 1 to 128 octets, to be echoed. */
  nonce?: Buffer
}

const maxBytes = 4 * 1024
const maxCertIds = 16
const maxNonceBytes = 128
const maxSerialBytes = 20

/**
 * Reads an OCSPRequest (RFC 6960 §4.1): DER from a POST, or base64 (percent-encoded or not) from the path of a GET.
 * A signature is not looked at.
 * @throws MusterError `request-too-large` or `request-invalid`, and nothing else, whatever the input
 */
export function readOcspRequest(input: Uint8Array | string): OcspRequest {
  try {
    return readRequest(typeof input === 'string' ? decodePath(input) : limited(input, maxBytes))
  } catch (error) {
    if (error instanceof DerError) throw refuse('the request is not a well-formed OCSPRequest', error)
    throw error
  }
}

function limited<T extends { length: number }>(input: T, limit: number): T {
  if (input.length > limit) throw new MusterError('request-too-large', 'the OCSP request is too large')
  return input
}

function decodePath(path: string): Buffer {
  // Base64 is longer by a third; every character may be percent-encoded.
  limited(path, maxBytes * 4)
  let text: string
  try {
    text = decodeURIComponent(path)
  } catch (error) {
    throw refuse('the path is not percent-encoded', error)
  }
  return limited(decodeBase64(text), maxBytes)
}

function readRequest(der: Uint8Array): OcspRequest {
  requireWellFormed(der)
  return readDer(der, 0x30, (request) => {
    const tbs = request.enter(0x30, readTbs)
    if (!request.done) request.element(0xa0)
    return tbs
  })
}

function readTbs(tbs: DerReader): OcspRequest {
  // X.690 §11.5: version 1 is the default, which is not written.
  if (tbs.nextTag === 0xa0) throw refuse('the version of the request is not 1')
  if (tbs.nextTag === 0xa1) tbs.next()
  const certIds = tbs.enter(0x30, readList)
  const extensions = tbs.nextTag === 0xa2 ? tbs.enter(0xa2, readExtensions) : new Map<string, Buffer>()
  const nonce = extensions.get(oids.ocspNonce)
  return { certIds, ...(nonce && { nonce: readNonce(nonce) }) }
}

function readList(list: DerReader): OcspCertId[] {
  const certIds: OcspCertId[] = []
  while (!list.done) {
    if (certIds.length === maxCertIds) throw refuse(`more than ${maxCertIds} certificates are asked for`)
    certIds.push(list.enter(0x30, readSingle))
  }
  if (certIds.length === 0) throw refuse('no certificate is asked for')
  return certIds
}

function readSingle(single: DerReader): OcspCertId {
  const { raw } = single.element(0x30)
  if (!single.done) single.enter(0xa0, readExtensions)
  return readDer(raw, 0x30, (certId) => {
    const algorithm = certId.element(0x30).raw
    const issuerNameHash = certId.element(0x04).content
    const issuerKeyHash = certId.element(0x04).content
    const serial = certId.unsignedInteger()
    if (serial.length > maxSerialBytes) throw refuse(`a serial number has at most ${maxSerialBytes} octets`)
    const hash = hashNames.get(algorithm.toString('hex'))
    return { raw, ...(hash && { hash }), issuerNameHash, issuerKeyHash, serial: serial.toString('hex') }
  })
}

function readExtensions(explicit: DerReader): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  explicit.enter(0x30, (list) => {
    if (list.done) throw refuse('a list of extensions is empty')
    while (!list.done)
      list.enter(0x30, (extension) => {
        const oid = extension.objectIdentifier()
        const critical = extension.nextTag === 0x01 && readCritical(extension)
        const value = extension.element(0x04).content
        if (found.has(oid)) throw refuse(`extension ${oid} is repeated`)
        if (critical && oid !== oids.ocspNonce) throw refuse(`critical extension ${oid} is not known`)
        found.set(oid, value)
      })
  })
  return found
}

/** X.690 §11.1 and §11.5: true is 0xff, and false, the default, is not written. */
function readCritical(extension: DerReader): true {
  const { content } = extension.element(0x01)
  if (content.length !== 1 || content[0] !== 0xff) throw refuse('a boolean is not in its one form')
  return true
}

/** RFC 9654 §2.1: any other length is refused. */
function readNonce(value: Buffer): Buffer {
  const reader = new DerReader(value)
  const nonce = reader.element(0x04).content
  reader.requireEnd()
  if (nonce.length < 1 || nonce.length > maxNonceBytes) throw refuse(`a nonce has 1 to ${maxNonceBytes} octets`)
  return nonce
}

function refuse(why: string, cause?: unknown): MusterError {
  return new MusterError('request-invalid', why, { cause })
}
