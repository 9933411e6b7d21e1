import { createPublicKey, X509Certificate } from 'node:crypto'
import { keySigner } from '../ca/key-store.ts'
import { encodeSigned, encodeTbsCertificate } from '../certificate/encode.ts'
import * as extensions from '../certificate/extensions.ts'
import { encodeName } from '../certificate/name.ts'
import { readCertificateParts } from '../certificate/read.ts'
import { createSerial } from '../certificate/serial.ts'
import { oids } from '../der/oids.ts'
import { contextConstructed, encodeDer, nullValue, octetString, sequence } from '../der/writer.ts'
import type { Issuer, Signer } from '../issuer.ts'
import { generateKey } from '../keys/generate.ts'
import { requireAllowedSpki } from '../keys/require-allowed-key.ts'
import { signatureAlgorithmFor } from '../signatures.ts'
import { ocspKeyHash } from './cert-id.ts'

/** Who signs OCSP responses for one issuer, with what is the same in all of them. */
export interface OcspResponder {
  certificate: X509Certificate
  sign: Signer['sign']
  /** ResponderID, AlgorithmIdentifier and certs, DER. */
  id: Uint8Array
  algorithm: Uint8Array
  certificates: Uint8Array
}

const dayMs = 86_400_000
const validityMs = 7 * dayMs
/** Seven days and the backdating; nobody can revoke it (id-pkix-ocsp-nocheck), so nothing lifts this. */
const maxValidityMs = 8 * dayMs

export interface OcspResponderOptions {
  notBefore: Date
  /** Seven days later unless said otherwise, and never after the issuer's own end. */
  notAfter?: Date
  /** A key that is kept elsewhere; a new one in memory unless given. */
  signer?: Signer
}

/** A delegated responder (RFC 6960 §4.2.2.2) with a new short-lived certificate of `issuer`. */
export async function createOcspResponder(issuer: Issuer, options: OcspResponderOptions): Promise<OcspResponder> {
  const signer = options.signer ?? keySigner(await generateKey())
  const { notBefore } = options
  const latest = Math.min(notBefore.getTime() + validityMs, issuer.certificate.validToDate.getTime())
  const notAfter = options.notAfter ?? new Date(latest)
  const certificate = await issueResponderCertificate(issuer, signer.spki, { notBefore, notAfter })
  return {
    certificate,
    sign: signer.sign,
    id: encodeDer(contextConstructed(2, octetString(ocspKeyHash(signer.spki, 'sha1')))),
    algorithm: signatureAlgorithmFor(certificate.publicKey).identifier,
    certificates: encodeDer(contextConstructed(0, sequence(certificate.raw))),
  }
}

async function issueResponderCertificate(
  issuer: Issuer,
  spki: Buffer,
  { notBefore, notAfter }: { notBefore: Date; notAfter: Date },
): Promise<X509Certificate> {
  const validity = notAfter.getTime() - notBefore.getTime()
  if (!(validity > 0 && validity <= maxValidityMs)) throw new RangeError('the validity is beyond the ceiling')
  if (notAfter > issuer.certificate.validToDate) throw new RangeError('the certificate would outlive its issuer')
  requireAllowedSpki(spki)
  const issuerKey = issuer.certificate.publicKey
  const algorithm = signatureAlgorithmFor(issuerKey)
  const { subject, subjectKeyIdentifier } = readCertificateParts(issuer.certificate.raw)
  const tbs = encodeTbsCertificate(
    {
      ...{ serial: createSerial(), issuer: subject, notBefore, notAfter, spki },
      subject: encodeName({ commonName: `Muster ${issuer.name} OCSP` }),
      extensions: [
        extensions.notCa,
        extensions.keyUsage.leaf,
        extensions.extendedKeyUsage([oids.ocspSigning]),
        extensions.extension(oids.ocspNoCheck, nullValue),
        extensions.subjectKeyIdentifier(extensions.keyIdentifier(spki)),
        extensions.authorityKeyIdentifier(subjectKeyIdentifier),
      ],
    },
    algorithm,
  )
  const certificate = new X509Certificate(encodeSigned(tbs, algorithm, await issuer.sign(tbs)))
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const sound =
    certificate.verify(issuerKey) &&
    certificate.checkIssued(issuer.certificate) &&
    !certificate.ca &&
    certificate.keyUsage?.join() === oids.ocspSigning &&
    certificate.publicKey.equals(key)
  if (!sound) throw new Error('an OCSP responder certificate was signed that is not what was asked for')
  return certificate
}
