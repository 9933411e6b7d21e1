import { createPublicKey, X509Certificate } from 'node:crypto'
import { type CertificateFields, encodeSigned, encodeTbsCertificate } from '../certificate/encode.ts'
import * as extensions from '../certificate/extensions.ts'
import { encodeName } from '../certificate/name.ts'
import { readCertificateParts } from '../certificate/read.ts'
import { createSerial } from '../certificate/serial.ts'
import type { Signer } from '../issuer.ts'
import { signatureAlgorithmFor } from '../signatures.ts'

const rootYears = 20
const issuingYears = 10
const backdateMs = 3_600_000

/** A self-signed root for `signer`'s key. Roots have names of their own: a chain is built by name first. */
export async function createRootCertificate(
  signer: Signer,
  trustDomain: string,
  now: Date,
  rootName = 'root',
): Promise<X509Certificate> {
  const name = encodeName({ commonName: `Muster ${rootName}`, organization: trustDomain })
  const identifier = extensions.keyIdentifier(signer.spki)
  return signCertificate(signer, {
    ...validity(now, rootYears),
    serial: createSerial(),
    issuer: name,
    subject: name,
    spki: signer.spki,
    extensions: [
      extensions.caConstraints(),
      extensions.keyUsage.rootCa,
      extensions.subjectKeyIdentifier(identifier),
      extensions.authorityKeyIdentifier(identifier),
    ],
  })
}

/** An issuing CA that may sign leaves only (path length 0). */
export async function createIssuingCertificate(
  root: { certificate: X509Certificate; signer: Signer },
  subject: { name: string; spki: Buffer; trustDomain: string },
  now: Date,
): Promise<X509Certificate> {
  const issuer = readCertificateParts(root.certificate.raw)
  return signCertificate(root.signer, {
    ...validity(now, issuingYears),
    serial: createSerial(),
    issuer: issuer.subject,
    subject: encodeName({ commonName: `Muster ${subject.name}`, organization: subject.trustDomain }),
    spki: subject.spki,
    extensions: [
      extensions.caConstraints(0),
      extensions.keyUsage.issuingCa,
      extensions.subjectKeyIdentifier(extensions.keyIdentifier(subject.spki)),
      extensions.authorityKeyIdentifier(issuer.subjectKeyIdentifier),
    ],
  })
}

/** A new root as a CA under the old one (RFC 4210 §4.4: "NewWithOld"), above issuing CAs only. */
export async function createCrossCertificate(
  old: { certificate: X509Certificate; signer: Signer },
  root: X509Certificate,
  now: Date,
): Promise<X509Certificate> {
  const issuer = readCertificateParts(old.certificate.raw)
  const { subject, spki, subjectKeyIdentifier } = readCertificateParts(root.raw)
  const end = Math.min(old.certificate.validToDate.getTime(), root.validToDate.getTime())
  return signCertificate(old.signer, {
    notBefore: new Date(now.getTime() - backdateMs),
    notAfter: new Date(end),
    ...{ serial: createSerial(), issuer: issuer.subject, subject, spki },
    extensions: [
      extensions.caConstraints(1),
      extensions.keyUsage.rootCa,
      extensions.subjectKeyIdentifier(subjectKeyIdentifier),
      extensions.authorityKeyIdentifier(issuer.subjectKeyIdentifier),
    ],
  })
}

async function signCertificate(signer: Signer, fields: CertificateFields): Promise<X509Certificate> {
  const publicKey = createPublicKey({ key: signer.spki, format: 'der', type: 'spki' })
  const algorithm = signatureAlgorithmFor(publicKey)
  const tbs = encodeTbsCertificate(fields, algorithm)
  const certificate = new X509Certificate(encodeSigned(tbs, algorithm, await signer.sign(tbs)))
  if (!certificate.verify(publicKey)) throw new Error('the CA key made a signature that is not valid')
  return certificate
}

function validity(now: Date, years: number): { notBefore: Date; notAfter: Date } {
  const notAfter = new Date(now)
  notAfter.setUTCFullYear(now.getUTCFullYear() + years)
  return { notBefore: new Date(now.getTime() - backdateMs), notAfter }
}
