import type { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { describeName } from '../certificate/name.ts'
import { readCertificateParts } from '../certificate/read.ts'
import { oids } from '../der/oids.ts'
import { DerError, DerReader, readDer } from '../der/reader.ts'

/**
 * RFC 7030 §4.2.2: a re-enrolment asks for the subject and the alternative names of the certificate it comes with. A request
 * without alternative names is let through: it asks for no others.
 * @throws MusterError `csr-invalid`
 */
export function requireSameSubject(csr: Uint8Array, certificate: X509Certificate): void {
  try {
    const wanted = readRequestedNames(csr)
    const { subject, extensions } = readCertificateParts(certificate.raw)
    // As text: the same name may be written in several string types.
    if (wanted.subject !== readName(subject)) throw refuse('the request asks for another subject')
    const alternative = extensions.get(oids.subjectAltName)
    if (wanted.alternative && !alternative?.equals(wanted.alternative))
      throw refuse('the request asks for other alternative names')
  } catch (error) {
    if (error instanceof DerError) throw refuse('the request is not a well-formed PKCS#10 request', error)
    throw error
  }
}

interface RequestedNames {
  subject: string
  /** The extension's value. */
  alternative?: Buffer
}

function readName(name: Buffer): string {
  return readDer(name, 0x30, describeName)
}

function readRequestedNames(csr: Uint8Array): RequestedNames {
  const info = readDer(csr, 0x30, (request) => {
    const signed = request.element(0x30).raw
    request.element(0x30)
    request.bitString()
    return signed
  })
  return readDer(info, 0x30, (fields) => {
    fields.unsignedInteger()
    const subject = fields.enter(0x30, describeName)
    fields.element(0x30)
    const values = fields.enter(0xa0, readRequestedExtensions).map(readAlternative)
    const alternatives = values.filter((value) => value !== undefined)
    if (alternatives.length > 1) throw refuse('alternative names are asked for twice')
    const [alternative] = alternatives
    return { subject, ...(alternative && { alternative }) }
  })
}

/** The values of every extensionRequest attribute (RFC 2985 §5.4.2). */
function readRequestedExtensions(attributes: DerReader): Buffer[] {
  const found: Buffer[] = []
  while (!attributes.done)
    attributes.enter(0x30, (attribute) => {
      const type = attribute.objectIdentifier()
      const values = new DerReader(attribute.element(0x31).content)
      while (type === oids.extensionRequest && !values.done) found.push(values.element(0x30).raw)
    })
  return found
}

function readAlternative(extensions: Buffer): Buffer | undefined {
  return readDer(extensions, 0x30, (list) => {
    let found: Buffer | undefined
    while (!list.done)
      list.enter(0x30, (extension) => {
        const oid = extension.objectIdentifier()
        if (extension.nextTag === 0x01) extension.next()
        const { content } = extension.element(0x04)
        if (oid !== oids.subjectAltName) return
        if (found) throw refuse('alternative names are asked for twice')
        found = content
      })
    return found
  })
}

function refuse(why: string, cause?: unknown): MusterError {
  return new MusterError('csr-invalid', why, { cause })
}
