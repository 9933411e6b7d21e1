import type { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import {
  type Ca,
  CaError,
  certificateFingerprint,
  createRoot,
  type Issuer,
  type IssuerUrls,
  type KeyStore,
  listCa,
  openCa,
} from '@muster/pki'
import type { IssuerRow } from './trust.ts'

/** The directory that all provisioners share: CA certificates and keys, by name. */
export interface CaStore {
  /** The issuing CA of a row, which must be there. @throws MusterError `conflict` */
  open(row: Pick<IssuerRow, 'name' | 'fingerprint'>): Promise<Issuer>
  /** Opens an issuing CA, and makes what of it is not there; a new one comes from the root of that name. */
  createIssuer(name: string, rootName: string): Promise<Ca>
  createRoot(name: string, crossSignedBy: string): Promise<{ root: X509Certificate; cross: X509Certificate }>
}

export interface CaStoreOptions {
  directory: string
  passphrase: string | undefined
  /** Absent: encrypted files in the directory. */
  keys?: KeyStore | undefined
  trustDomain: string
  now(): Date
  urls?: (issuer: string) => IssuerUrls
}

export function fileCaStore({ urls, now, ...place }: CaStoreOptions): CaStore {
  const openNamed = (issuerName: string, rootName?: string) =>
    asConflict(() => openCa({ ...place, now: now(), issuerName, rootName, urls: urls?.(issuerName) }))
  return {
    async open({ name, fingerprint }) {
      const { issuers } = await asConflict(() => listCa(place.directory))
      const stored = issuers.find((issuer) => issuer.name === name)
      if (!stored || certificateFingerprint(stored.certificate.raw) !== fingerprint)
        throw new MusterError(
          'conflict',
          `the registry's issuer ${name} is not in ${place.directory}: the data directory and the database do not belong together`,
        )
      return (await openNamed(name)).issuer
    },
    createIssuer: openNamed,
    async createRoot(name, crossSignedBy) {
      const { root, cross } = await asConflict(() => createRoot({ ...place, now: now(), name, crossSignedBy }))
      if (!cross) throw new Error('a root was made without its cross certificate')
      return { root, cross }
    },
  }
}

/** What the keys at hand do not allow is for the operator to settle, with the ceremony of docs/ca.md. */
async function asConflict<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isAbsent(error)) throw new MusterError('conflict', 'the data directory has no CA', { cause: error })
    if (error instanceof CaError) throw new MusterError('conflict', error.message, { cause: error })
    throw error
  }
}

const isAbsent = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT'
