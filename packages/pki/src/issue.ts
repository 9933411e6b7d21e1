import type { KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { type Identity, isName, type ProfileName, spiffeId } from '@muster/contracts'
import { encodeSigned, encodeTbsCertificate } from './certificate/encode.ts'
import * as extensions from './certificate/extensions.ts'
import { encodeName } from './certificate/name.ts'
import { readCertificateParts } from './certificate/read.ts'
import { requireAsRequested } from './certificate/require-as-requested.ts'
import { createSerial } from './certificate/serial.ts'
import { type Der, encodeDer } from './der/writer.ts'
import { certificateFingerprint, keyFingerprint } from './fingerprint.ts'
import type { Issuer } from './issuer.ts'
import { requireAllowedSpki } from './keys/require-allowed-key.ts'
import { encodePem } from './pem.ts'
import { maxHosts, maxValidityMs, profiles } from './profiles.ts'
import { type SignatureAlgorithm, signatureAlgorithmFor } from './signatures.ts'

export interface CertificateRequest {
  identity: Identity
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array
  trustDomain: string
  notBefore: Date
  notAfter: Date
  /** DNS names and addresses; profile `server` only. */
  hosts?: readonly string[]
}

export interface IssuedCertificate {
  serial: string
  der: Buffer
  pem: string
  fingerprint: string
  keyFingerprint: string
  notBefore: Date
  notAfter: Date
}

/**
 * Signs a leaf certificate and parses it back with OpenSSL before it is handed out.
 * @throws MusterError `key-not-allowed`; RangeError where the request goes beyond the profile, which is a mistake of the caller
 */
export async function issueCertificate(issuer: Issuer, request: CertificateRequest): Promise<IssuedCertificate> {
  const { identity, trustDomain, hosts = [] } = request
  const notBefore = wholeSeconds(request.notBefore)
  const notAfter = wholeSeconds(request.notAfter)
  const template = templateOf(issuer)
  requireInsideProfile(identity, trustDomain, hosts)
  requireDates(notBefore, notAfter, template.notAfter)
  requireAllowedSpki(request.spki)
  const serial = createSerial()
  const uri = spiffeId(trustDomain, identity)

  const tbs = encodeTbsCertificate(
    {
      serial,
      issuer: template.name,
      subject: encodeName({
        commonName: identity.device,
        organizationalUnit: identity.group,
        organization: identity.fleet,
      }),
      notBefore,
      notAfter,
      spki: request.spki,
      extensions: [
        template.extensions[identity.profile],
        extensions.subjectKeyIdentifier(extensions.keyIdentifier(request.spki)),
        extensions.subjectAltName(uri, hosts),
        ...shardExtension(issuer, serial),
      ],
    },
    template.algorithm,
  )
  const der = encodeSigned(tbs, template.algorithm, await issuer.sign(tbs))
  const expected = { serial: serial.toString('hex'), identity, uri, hosts, spki: request.spki, notBefore, notAfter }
  requireAsRequested(der, issuer.certificate, template.publicKey, expected)

  return {
    serial: expected.serial,
    der,
    pem: encodePem('CERTIFICATE', der),
    fingerprint: certificateFingerprint(der),
    keyFingerprint: keyFingerprint(request.spki),
    notBefore,
    notAfter,
  }
}

/** Where the distribution point depends on the certificate, it is not part of the template. */
function shardExtension({ urls: { crl = [], crlOf } = {} }: Issuer, serial: Buffer): Der[] {
  return crlOf ? [extensions.crlDistributionPoints([...crl, ...crlOf(serial.toString('hex'))])] : []
}

interface IssuerTemplate {
  name: Buffer
  publicKey: KeyObject
  algorithm: SignatureAlgorithm
  notAfter: Date
  /** Encoded extensions that are the same for every certificate of a profile. */
  extensions: Record<ProfileName, Uint8Array>
}

const templates = new WeakMap<Issuer, IssuerTemplate>()

function templateOf(issuer: Issuer): IssuerTemplate {
  let template = templates.get(issuer)
  if (!template) {
    template = createTemplate(issuer.certificate, issuer)
    templates.set(issuer, template)
  }
  return template
}

function createTemplate(certificate: X509Certificate, { urls = {} }: Issuer): IssuerTemplate {
  const { subject, subjectKeyIdentifier } = readCertificateParts(certificate.raw)
  const { crl = [], crlOf, caIssuers = [], ocsp = [] } = urls
  const shared = [
    extensions.notCa,
    extensions.keyUsage.leaf,
    extensions.authorityKeyIdentifier(subjectKeyIdentifier),
    ...(crl.length > 0 && !crlOf ? [extensions.crlDistributionPoints(crl)] : []),
    ...(ocsp.length + caIssuers.length > 0 ? [extensions.authorityInfoAccess(ocsp, caIssuers)] : []),
  ]
  const forProfile = (name: ProfileName) =>
    encodeAll([...shared, extensions.extendedKeyUsage(profiles[name].extendedKeyUsage)])
  return {
    name: subject,
    publicKey: certificate.publicKey,
    algorithm: signatureAlgorithmFor(certificate.publicKey),
    notAfter: certificate.validToDate,
    extensions: { device: forProfile('device'), service: forProfile('service'), server: forProfile('server') },
  }
}

const encodeAll = (values: readonly Der[]) => Buffer.concat(values.map(encodeDer))

function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000)
}

function requireDates(notBefore: Date, notAfter: Date, issuerNotAfter: Date): void {
  const validityMs = notAfter.getTime() - notBefore.getTime()
  if (!(validityMs > 0 && validityMs <= maxValidityMs)) throw new RangeError('the validity is beyond the ceiling')
  if (notAfter > issuerNotAfter) throw new RangeError('the certificate would outlive its issuer')
}

const trustDomainPattern = /^[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?$/
const dnsLabels = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

/** RFC 4007 zones mean nothing to others. */
const isAddress = (host: string) => isIP(host) !== 0 && !host.includes('%')

function requireInsideProfile(identity: Identity, trustDomain: string, hosts: readonly string[]): void {
  if (!isName(identity.device) || !isName(identity.group) || !isName(identity.fleet))
    throw new RangeError('the identity does not consist of names')
  if (!trustDomainPattern.test(trustDomain)) throw new RangeError('the trust domain is not a domain name')
  if (hosts.length > 0 && !profiles[identity.profile].namesHosts)
    throw new RangeError(`a ${identity.profile} certificate names no hosts`)
  if (hosts.length > maxHosts || !hosts.every((host) => isAddress(host) || dnsLabels.test(host)))
    throw new RangeError('a host is neither a DNS name nor an address')
}
