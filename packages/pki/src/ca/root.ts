import type { X509Certificate } from 'node:crypto'
import type { Signer } from '../issuer.ts'
import { CaError } from './ca-error.ts'
import { createCrossCertificate, createRootCertificate } from './certificates.ts'
import { makeDirectory } from './durable-file.ts'
import type { KeyStore } from './key-store.ts'
import { type CaPlace, openKeyStore } from './passphrase.ts'
import { readCertificate, requireChain, requireKey, storeCertificate } from './stored-certificates.ts'

export interface RootOptions extends CaPlace {
  now: Date
  /** Organisation in the name of a new root. */
  trustDomain?: string | undefined
  /** `root` unless it is a later one. */
  name?: string | undefined
  /** The root before it, which certifies the new one for those that know only the old one. */
  crossSignedBy?: string | undefined
}

export interface Root {
  root: X509Certificate
  /** The new root's key, certified by the old root; in `<name>-by-<old>.crt`. */
  cross?: X509Certificate
}

/**
 * A root in `directory` and nothing else: what there is of it is taken as it is, the rest is made. The next root (`root-2`) is
 * made beside the first, in the directory that has both keys.
 * @throws CaError
 */
export async function createRoot(options: RootOptions): Promise<Root> {
  const { directory, now, trustDomain = 'muster.local', name = 'root', crossSignedBy } = options
  await makeDirectory(directory)
  const keys = await openKeyStore(options)
  const root = (await readCertificate(directory, name)) ?? (await makeRoot(directory, keys, name, trustDomain, now))
  requireChain([root], root, now)
  if (crossSignedBy === undefined) return { root }
  const cross = await makeCross(directory, keys, { name, root }, crossSignedBy, now)
  return { root, cross }
}

async function makeRoot(
  directory: string,
  keys: KeyStore,
  name: string,
  trustDomain: string,
  now: Date,
): Promise<X509Certificate> {
  const signer = (await keys.open(name)) ?? (await keys.create(name))
  return storeCertificate(directory, name, await createRootCertificate(signer, trustDomain, now, name))
}

async function makeCross(
  directory: string,
  keys: KeyStore,
  { name, root }: { name: string; root: X509Certificate },
  by: string,
  now: Date,
): Promise<X509Certificate> {
  const old = await readCertificate(directory, by)
  if (!old) throw new CaError('certificate-missing', `there is no certificate of ${by} in ${directory}`)
  const file = `${name}-by-${by}`
  const make = async () => {
    const signer = await openRootKey(keys, by, old)
    return storeCertificate(directory, file, await createCrossCertificate({ certificate: old, signer }, root, now))
  }
  const cross = (await readCertificate(directory, file)) ?? (await make())
  requireChain([cross], old, now)
  if (!cross.publicKey.equals(root.publicKey))
    throw new CaError('key-mismatch', `${file}.crt does not certify the key of ${name}`)
  return cross
}

/** The key of a root, which is often somewhere else. */
export async function openRootKey(keys: KeyStore, name: string, root: X509Certificate): Promise<Signer> {
  const signer = await keys.open(name)
  if (!signer) throw new CaError('key-missing', `the key of ${name} is needed to certify another CA`)
  requireKey(root, signer, name)
  return signer
}
