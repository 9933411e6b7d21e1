import { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { oids } from '../der/oids.ts'
import { DerError, type DerReader, readDer, requireWellFormed } from '../der/reader.ts'
import { findSignatureAlgorithm, isSignatureValid } from '../signatures.ts'
import { encodeOcspCertId, ocspIssuerHashes } from './cert-id.ts'

export interface VerifiedOcspResponse {
  status: 'good' | 'revoked' | 'unknown'
  thisUpdate: Date
  nextUpdate: Date
}

interface Single {
  certId: Buffer
  status: VerifiedOcspResponse['status']
  thisUpdate: Date
  nextUpdate: Date | undefined
}

const maxBytes = 16 * 1024
const skewMs = 300_000
const statuses: ReadonlyMap<number, Single['status']> = new Map([
  [0x80, 'good'],
  [0xa1, 'revoked'],
  [0x82, 'unknown'],
])

/**
 * What an OCSPResponse (DER) says of `certificate` at the time `now`: signed by `issuer` or by whom it has delegated, and
 * not without an end. @throws MusterError `certificate-untrusted` for anything else, whatever the input
 */
export function verifyOcspResponse(
  der: Uint8Array,
  question: { certificate: X509Certificate; issuer: X509Certificate; now: Date },
): VerifiedOcspResponse {
  try {
    return verifyResponse(der, question)
  } catch (error) {
    if (error instanceof DerError) throw refuse('it is not a well-formed OCSPResponse', error)
    throw error
  }
}

function verifyResponse(
  der: Uint8Array,
  { certificate, issuer, now }: { certificate: X509Certificate; issuer: X509Certificate; now: Date },
): VerifiedOcspResponse {
  if (der.length > maxBytes) throw refuse('it is too large')
  const { tbs, algorithm, signature, certificates } = readBasic(readEnvelope(der))
  const known = findSignatureAlgorithm(algorithm)
  const signers = [issuer, ...certificates.filter((one) => isDelegate(one, issuer, now))]
  if (!known || !signers.some(({ publicKey }) => isSignatureValid(known, tbs, publicKey, signature)))
    throw refuse('nobody has signed it who may')

  const wanted = encodeOcspCertId(ocspIssuerHashes(issuer), certificate.serialNumber.toLowerCase())
  const answer = readTbs(tbs).find(({ certId }) => certId.equals(wanted))
  if (!answer) throw refuse('it is about another certificate')
  const { status, thisUpdate, nextUpdate } = answer
  if (!nextUpdate || nextUpdate <= now || thisUpdate.getTime() > now.getTime() + skewMs)
    throw refuse('it is not for this time')
  return { status, thisUpdate, nextUpdate }
}

/** RFC 6960 §4.2.2.2: issued by the CA itself, for this purpose. */
function isDelegate(certificate: X509Certificate, issuer: X509Certificate, now: Date): boolean {
  return (
    certificate.keyUsage?.includes(oids.ocspSigning) === true &&
    certificate.validFromDate <= now &&
    now < certificate.validToDate &&
    certificate.checkIssued(issuer) &&
    certificate.verify(issuer.publicKey)
  )
}

function readEnvelope(der: Uint8Array): Buffer {
  requireWellFormed(der)
  return readDer(der, 0x30, (response) => {
    if (!response.element(0x0a).content.equals(Buffer.of(0))) throw refuse('it says only that there is none')
    return response.enter(0xa0, (explicit) =>
      explicit.enter(0x30, (bytes) => {
        if (bytes.objectIdentifier() !== oids.ocspBasic) throw refuse('it is of an unknown kind')
        return bytes.element(0x04).content
      }),
    )
  })
}

function readBasic(der: Buffer) {
  requireWellFormed(der)
  return readDer(der, 0x30, (basic) => ({
    tbs: basic.element(0x30).raw,
    algorithm: basic.element(0x30).raw,
    signature: basic.bitString(),
    certificates: basic.done ? [] : basic.enter(0xa0, (explicit) => explicit.enter(0x30, readCertificates)),
  }))
}

function readCertificates(list: DerReader): X509Certificate[] {
  const found: X509Certificate[] = []
  while (!list.done && found.length < 4) found.push(parseCertificate(list.element(0x30).raw))
  return found
}

function parseCertificate(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (error) {
    throw refuse('a certificate in it cannot be read', error)
  }
}

function readTbs(der: Buffer): Single[] {
  return readDer(der, 0x30, (tbs) => {
    if (tbs.nextTag === 0xa0) tbs.next()
    tbs.next()
    tbs.element(0x18)
    const answers = tbs.enter(0x30, (list) => {
      const found: Single[] = []
      while (!list.done) found.push(list.enter(0x30, readSingle))
      return found
    })
    if (!tbs.done) tbs.element(0xa1)
    return answers
  })
}

function readSingle(single: DerReader): Single {
  const certId = single.element(0x30).raw
  const status = statuses.get(single.next().tag)
  if (!status) throw refuse('its status is not known')
  const thisUpdate = readTime(single)
  const nextUpdate = single.nextTag === 0xa0 ? single.enter(0xa0, readTime) : undefined
  if (!single.done) single.element(0xa1)
  return { certId, status, thisUpdate, nextUpdate }
}

/** RFC 6960 §4.2.2.1: whole seconds, in Zulu time. */
function readTime(reader: DerReader): Date {
  const text = reader.element(0x18).content.toString('latin1')
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  const [, year, month, day, hour, minute, second] = parts ?? []
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(at.getTime())) throw refuse('a time in it cannot be read')
  return at
}

function refuse(why: string, cause?: unknown): MusterError {
  return new MusterError('certificate-untrusted', `the OCSP response is not to be passed on: ${why}`, { cause })
}
