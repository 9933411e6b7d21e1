import type { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Issuer, IssuerUrls, Signer } from '../issuer.ts'
import { CaError } from './ca-error.ts'
import { createIssuingCertificate } from './certificates.ts'
import { makeDirectory } from './durable-file.ts'
import type { KeyStore } from './key-store.ts'
import { type CaPlace, openKeyStore } from './passphrase.ts'
import { createRoot, openRootKey } from './root.ts'
import {
  isIssuedBy,
  isSelfSigned,
  readAllChains,
  readCertificate,
  readChain,
  requireChain,
  requireKey,
  storeCertificate,
} from './stored-certificates.ts'

export interface CaOptions extends CaPlace {
  now: Date
  /** Organisation in the names of a new CA. */
  trustDomain?: string | undefined
  issuerName?: string | undefined
  /** The root that signs an issuing CA that is not there yet. */
  rootName?: string | undefined
  urls?: IssuerUrls | undefined
}

export interface Ca {
  root: X509Certificate
  issuer: Issuer
}

/**
 * Opens an issuing CA in `directory` and its root, and makes whatever of them is not there yet.
 * Every file is complete or absent and is made after what it depends on, so that a creation that was cut off goes on at the next call;
 * several processes at once end up with one CA. The root key is needed only to make an issuing CA.
 * @throws CaError
 */
export async function openCa(options: CaOptions): Promise<Ca> {
  const { directory, now, trustDomain = 'muster.local', issuerName = 'issuing-1', rootName = 'root' } = options
  await makeDirectory(directory)
  const keys = await openKeyStore(options)
  // In the reverse order of creation: another process may be at it, and what is seen must not look like a loss.
  const stored = await readChain(directory, issuerName)
  const root = stored
    ? await readRootOf(directory, stored, rootName)
    : (await createRoot({ ...options, keys, trustDomain, name: rootName })).root
  requireChain([root], root, now)
  const signer = await openIssuerKey(keys, issuerName, stored !== undefined)
  const made = () => makeIssuer(directory, keys, { root, rootName }, { name: issuerName, signer, trustDomain }, now)
  const chain = stored ?? [await made()]
  requireChain(chain, root, now)
  const [certificate = root] = chain
  requireKey(certificate, signer, issuerName)

  const cross = await readCrossCertificates(directory, root)
  const { urls } = options
  return {
    root,
    issuer: {
      ...{ name: issuerName, certificate, chain, root },
      sign: signer.sign,
      ...(signer.signParts && { signParts: signer.signParts }),
      ...(cross.length > 0 && { cross }),
      ...(urls && { urls }),
    },
  }
}

/** The root by that name unless another one issued the chain. */
async function readRootOf(directory: string, chain: X509Certificate[], name: string): Promise<X509Certificate> {
  const named = await readCertificate(directory, name)
  const top = chain.at(-1)
  if (named && top && isIssuedBy(top, named)) return named
  for (const [candidate] of (await readAllChains(directory)).values())
    if (candidate && top && isSelfSigned(candidate) && isIssuedBy(top, candidate)) return candidate
  if (named) return named
  throw new CaError('certificate-missing', `${join(directory, `${name}.crt`)} is missing: restore it from a backup`)
}

async function readCrossCertificates(directory: string, root: X509Certificate): Promise<X509Certificate[]> {
  const chains = [...(await readAllChains(directory)).values()]
  return chains.flatMap(([certificate]) =>
    certificate?.publicKey.equals(root.publicKey) && !isSelfSigned(certificate) ? [certificate] : [],
  )
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
  { root, rootName }: { root: X509Certificate; rootName: string },
  { name, signer, trustDomain }: { name: string; signer: Signer; trustDomain: string },
  now: Date,
): Promise<X509Certificate> {
  const rootSigner = await openRootKey(keys, rootName, root)
  const subject = { name, spki: signer.spki, trustDomain }
  const certificate = await createIssuingCertificate({ certificate: root, signer: rootSigner }, subject, now)
  return storeCertificate(directory, name, certificate)
}
