import { randomBytes, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Issuer, IssuerUrls, Signer } from '../issuer.ts'
import { CaError } from './ca-error.ts'
import { createIssuingCertificate, createRootCertificate } from './certificates.ts'
import { makeDirectory, readIfPresent, writeOnce } from './durable-file.ts'
import { fileKeyStore, type KeyStore } from './key-store.ts'

export interface CaOptions {
  directory: string
  /** Absent: the one in `<directory>/passphrase`, which is generated with a new CA. */
  passphrase?: string | undefined
  now: Date
  /** Organisation in the names of a new CA. */
  trustDomain?: string | undefined
  issuerName?: string | undefined
  urls?: IssuerUrls | undefined
  keys?: KeyStore | undefined
}

export interface Ca {
  root: X509Certificate
  issuer: Issuer
}

const rootName = 'root'

/**
 * Opens the root and issuing CA in `directory`, and makes whatever of them is not there yet.
 * Every file is complete or absent and is made after what it depends on, so that a creation that was cut off goes on at the next call;
 * several processes at once end up with one CA. The root key is needed only to make an issuing CA.
 * @throws CaError
 */
export async function openCa(options: CaOptions): Promise<Ca> {
  const { directory, now, trustDomain = 'muster.local', issuerName = 'issuing-1' } = options
  await makeDirectory(directory)
  const keys = options.keys ?? fileKeyStore(directory, await loadPassphrase(options))
  // In the reverse order of creation: another process may be at it, and what is seen must not look like a loss.
  const stored = {
    issuer: await readCertificate(directory, issuerName),
    root: await readCertificate(directory, rootName),
  }
  if (stored.issuer && !stored.root)
    throw new CaError('certificate-missing', `${join(directory, 'root.crt')} is missing: restore it from a backup`)

  const root = stored.root ?? (await makeRoot(directory, keys, trustDomain, now))
  requireCa(root, root, now)
  const signer = await openIssuerKey(keys, issuerName, stored.issuer !== undefined)
  const certificate =
    stored.issuer ??
    (await makeIssuer(directory, keys, root, { name: issuerName, spki: signer.spki, trustDomain }, now))
  requireCa(certificate, root, now)
  requireKey(certificate, signer, issuerName)

  const { urls } = options
  return {
    root,
    issuer: {
      ...{ name: issuerName, certificate, chain: [certificate], root },
      sign: signer.sign,
      ...(signer.signParts && { signParts: signer.signParts }),
      ...(urls && { urls }),
    },
  }
}

async function loadPassphrase({ directory, passphrase }: CaOptions): Promise<string> {
  if (passphrase) return passphrase
  const path = join(directory, 'passphrase')
  const rootKey = await readIfPresent(join(directory, `${rootName}.key`))
  const stored = passphrase === undefined ? await readIfPresent(path) : undefined
  if (stored !== undefined) return stored.trim()
  if (rootKey !== undefined || passphrase === '')
    throw new CaError('passphrase-missing', `the keys in ${directory} need the passphrase they were made with`)
  return (await writeOnce(path, `${randomBytes(32).toString('base64url')}\n`, 0o600)).trim()
}

async function makeRoot(directory: string, keys: KeyStore, trustDomain: string, now: Date): Promise<X509Certificate> {
  const signer = (await keys.open(rootName)) ?? (await keys.create(rootName))
  return storeCertificate(directory, rootName, await createRootCertificate(signer, trustDomain, now))
}

async function openIssuerKey(keys: KeyStore, name: string, certified: boolean): Promise<Signer> {
  const signer = await keys.open(name)
  if (signer) return signer
  if (certified) throw new CaError('key-missing', `the key of CA ${name} is missing: restore it from a backup`)
  return keys.create(name)
}

async function makeIssuer(
  directory: string,
  keys: KeyStore,
  root: X509Certificate,
  subject: { name: string; spki: Buffer; trustDomain: string },
  now: Date,
): Promise<X509Certificate> {
  const signer = await keys.open(rootName)
  if (!signer) throw new CaError('key-missing', 'the root key is needed to make an issuing CA')
  requireKey(root, signer, rootName)
  const certificate = await createIssuingCertificate({ certificate: root, signer }, subject, now)
  return storeCertificate(directory, subject.name, certificate)
}

async function readCertificate(directory: string, name: string): Promise<X509Certificate | undefined> {
  const path = join(directory, `${name}.crt`)
  const pem = await readIfPresent(path)
  return pem === undefined ? undefined : parseCertificate(path, pem)
}

async function storeCertificate(directory: string, name: string, made: X509Certificate): Promise<X509Certificate> {
  const path = join(directory, `${name}.crt`)
  return parseCertificate(path, await writeOnce(path, made.toString(), 0o644))
}

function parseCertificate(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw new CaError('certificate-invalid', `${path} is not a certificate`, { cause })
  }
}

function requireCa(certificate: X509Certificate, root: X509Certificate, now: Date): void {
  const name = certificate.subject.replace('\n', ', ')
  if (!certificate.ca || !certificate.checkIssued(root) || !certificate.verify(root.publicKey))
    throw new CaError('certificate-invalid', `${name} is not a CA certificate of this root`)
  if (certificate.validToDate <= now) throw new CaError('certificate-expired', `the CA certificate ${name} has expired`)
}

function requireKey(certificate: X509Certificate, signer: Signer, name: string): void {
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(signer.spki))
    throw new CaError('key-mismatch', `the key of CA ${name} does not belong to its certificate`)
}
