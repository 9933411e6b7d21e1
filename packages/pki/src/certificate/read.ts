import { oids } from '../der/oids.ts'
import { DerReader, readDer } from '../der/reader.ts'
import { keyIdentifier } from './extensions.ts'

/** The encoded parts of a certificate that others must repeat byte by byte. */
export interface CertificateParts {
  subject: Buffer
  spki: Buffer
  subjectKeyIdentifier: Buffer
  /** Values by object identifier. */
  extensions: ReadonlyMap<string, Buffer>
  /** AlgorithmIdentifiers: what is signed names one, and so does the envelope. */
  signatureAlgorithms: readonly [Buffer, Buffer]
}

/** Reads a certificate that is already trusted. @throws DerError */
export function readCertificateParts(der: Uint8Array): CertificateParts {
  const { tbs, outside } = readDer(der, 0x30, (certificate) => {
    const signed = certificate.element(0x30).raw
    const algorithm = certificate.element(0x30).raw
    certificate.bitString()
    return { tbs: signed, outside: algorithm }
  })
  return readDer(tbs, 0x30, (fields) => {
    fields.element(0xa0)
    fields.unsignedInteger()
    const inside = fields.element(0x30).raw
    fields.element(0x30)
    fields.element(0x30)
    const subject = fields.element(0x30).raw
    const spki = fields.element(0x30).raw
    const extensions = fields.enter(0xa3, (explicit) => explicit.enter(0x30, readExtensions))
    const written = extensions.get(oids.subjectKeyIdentifier)
    const subjectKeyIdentifier = written ? new DerReader(written).element(0x04).content : keyIdentifier(spki)
    return { subject, spki, subjectKeyIdentifier, extensions, signatureAlgorithms: [inside, outside] }
  })
}

function readExtensions(list: DerReader): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  while (!list.done)
    list.enter(0x30, (extension) => {
      const oid = extension.objectIdentifier()
      if (extension.nextTag === 0x01) extension.next()
      found.set(oid, extension.element(0x04).content)
    })
  return found
}
