import type { X509Certificate } from 'node:crypto'
import { readCertificateParts } from '../certificate/read.ts'
import { oids } from '../der/oids.ts'
import { DerError, DerReader, readDer } from '../der/reader.ts'
import { CaError } from './ca-error.ts'
import { makeDirectory } from './durable-file.ts'
import { type CaPlace, openKeyStore } from './passphrase.ts'
import {
  isSelfSigned,
  parseChain,
  readAllChains,
  readCertificate,
  readChain,
  requireChain,
  requireKey,
  storeChain,
} from './stored-certificates.ts'

export interface ImportIssuerOptions extends CaPlace {
  now: Date
  name: string
  /** PEM: the issuing CA, those between it and the root in order, and the root unless the directory has it. */
  certificates: string
  rootName?: string | undefined
}

/**
 * Takes in the certificate of an issuing CA whose key is here already (from `createIssuingCsr`, or imported), under our own root or
 * a foreign one. Nothing is kept unless all of it can be used.
 * @throws CaError
 */
export async function importIssuer(options: ImportIssuerOptions): Promise<X509Certificate> {
  const { directory, now, name, rootName = 'root' } = options
  await makeDirectory(directory)
  const chain = parseChain('what is to be imported', options.certificates)
  const given = chain.at(-1)
  const brought = given && isSelfSigned(given) ? chain.pop() : undefined
  const [certificate] = chain
  if (!certificate) throw new CaError('certificate-invalid', 'the certificate of the issuing CA itself is missing')
  const root = brought ?? (await readCertificate(directory, rootName))
  if (!root) throw new CaError('certificate-missing', 'the root is neither among the certificates nor in the directory')
  requireChain([...chain, root], root, now)
  for (const [below, authority] of [...chain, root].entries()) requireAuthority(authority, below)

  const keys = await openKeyStore(options)
  const signer = await keys.open(name)
  if (!signer) throw new CaError('key-missing', `the key of CA ${name} has to be here first`)
  requireKey(certificate, signer, name)

  requireSame(name, chain, (await readChain(directory, name)) ?? chain)
  if (!(await isKnownRoot(directory, root)))
    requireSame(rootName, [root], await storeChain(directory, rootName, [root]))
  requireSame(name, chain, await storeChain(directory, name, chain))
  return certificate
}

async function isKnownRoot(directory: string, root: X509Certificate): Promise<boolean> {
  const chains = [...(await readAllChains(directory)).values()]
  return chains.some(([certificate]) => certificate?.raw.equals(root.raw))
}

export interface ImportRootOptions {
  directory: string
  now: Date
  /** PEM: a root, and after it the certificate of its key by the root before it, if there is one. */
  certificates: string
  name: string
  crossSignedBy?: string | undefined
}

/** Takes in a root that was made where its key is, with its cross certificate. @throws CaError */
export async function importRoot(options: ImportRootOptions): Promise<X509Certificate> {
  const { directory, now, name, crossSignedBy } = options
  await makeDirectory(directory)
  const [root, cross, ...more] = parseChain('what is to be imported', options.certificates)
  if (!root || more.length > 0 || (cross === undefined) !== (crossSignedBy === undefined))
    throw new CaError(
      'certificate-invalid',
      'a root and, if an older root is named, one cross certificate are expected',
    )
  requireChain([root], root, now)
  requireAuthority(root, 1)
  if (cross && crossSignedBy !== undefined) {
    const old = await readCertificate(directory, crossSignedBy)
    if (!old) throw new CaError('certificate-missing', `there is no certificate of ${crossSignedBy} in ${directory}`)
    requireChain([cross], old, now)
    if (!cross.publicKey.equals(root.publicKey))
      throw new CaError('key-mismatch', 'the cross certificate is not of the key of the new root')
  }
  requireSame(name, [root], await storeChain(directory, name, [root]))
  if (cross) {
    const file = `${name}-by-${crossSignedBy}`
    requireSame(file, [cross], await storeChain(directory, file, [cross]))
  }
  return root
}

function requireSame(name: string, given: readonly X509Certificate[], stored: readonly X509Certificate[]): void {
  if (given.join('') !== stored.join('')) throw new CaError('already-exists', `there is another certificate ${name}`)
}

/** RFC 5280 §4.2.1.3: bits 5 (keyCertSign) and 6 (cRLSign), where the extension is there; §4.2.1.9: as many CAs below it. */
function requireAuthority(certificate: X509Certificate, casBelow: number): void {
  const { usage, pathLength } = readAuthority(certificate)
  if ((usage & 0b0000_0110) !== 0b0000_0110)
    throw new CaError('certificate-invalid', `${nameOf(certificate)} may not sign certificates and CRLs`)
  if (pathLength < casBelow)
    throw new CaError('certificate-invalid', `${nameOf(certificate)} allows fewer CAs below it`)
}

function readAuthority(certificate: X509Certificate): { usage: number; pathLength: number } {
  try {
    const { extensions } = readCertificateParts(certificate.raw)
    return {
      usage: readUsage(extensions.get(oids.keyUsage)),
      pathLength: readPathLength(extensions.get(oids.basicConstraints)),
    }
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause
    throw new CaError('certificate-invalid', `${nameOf(certificate)} is not a well-formed certificate`, { cause })
  }
}

const nameOf = (certificate: X509Certificate) => certificate.subject.replaceAll('\n', ', ')

function readUsage(extension: Buffer | undefined): number {
  return extension ? (new DerReader(extension).element(0x03).content[1] ?? 0) : 0xff
}

function readPathLength(extension: Buffer | undefined): number {
  if (!extension) return Number.POSITIVE_INFINITY
  return readDer(extension, 0x30, (constraints) => {
    if (constraints.nextTag === 0x01) constraints.next()
    return constraints.done ? Number.POSITIVE_INFINITY : Number(`0x${constraints.unsignedInteger().toString('hex')}`)
  })
}
