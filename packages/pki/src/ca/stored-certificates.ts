import { X509Certificate } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isName } from '@muster/contracts'
import type { Signer } from '../issuer.ts'
import { decodePem } from '../pem.ts'
import { CaError } from './ca-error.ts'
import { readIfPresent, writeOnce } from './durable-file.ts'

const pathOf = (directory: string, name: string) => join(directory, `${requireName(name)}.crt`)

/** What a CA is called is part of file names and addresses. */
export function requireName(name: string): string {
  if (!isName(name)) throw new RangeError('the name of a CA must match [a-z0-9][a-z0-9._-]{0,62}')
  return name
}

/** The CA certificate in `<name>.crt`, and those between it and its root. */
export async function readChain(directory: string, name: string): Promise<X509Certificate[] | undefined> {
  const path = pathOf(directory, name)
  const pem = await readIfPresent(path)
  return pem === undefined ? undefined : parseChain(path, pem)
}

export async function readCertificate(directory: string, name: string): Promise<X509Certificate | undefined> {
  return (await readChain(directory, name))?.[0]
}

/** Keeps a chain; what is there already, by whomever, stays and is returned. */
export async function storeChain(
  directory: string,
  name: string,
  chain: readonly X509Certificate[],
): Promise<X509Certificate[]> {
  const path = pathOf(directory, name)
  return parseChain(path, await writeOnce(path, chain.join(''), 0o644))
}

export async function storeCertificate(
  directory: string,
  name: string,
  made: X509Certificate,
): Promise<X509Certificate> {
  const [stored] = await storeChain(directory, name, [made])
  return stored ?? made
}

/** Every `<name>.crt`, by name. */
export async function readAllChains(directory: string): Promise<Map<string, X509Certificate[]>> {
  const chains = new Map<string, X509Certificate[]>()
  const files = (await readdir(directory)).filter((file) => file.endsWith('.crt'))
  for (const name of files.map((file) => file.slice(0, -'.crt'.length)).sort()) {
    const chain = await readChain(directory, name)
    if (chain) chains.set(name, chain)
  }
  return chains
}

export function parseChain(source: string, pem: string): X509Certificate[] {
  try {
    return decodePem('CERTIFICATE', pem).map((der) => new X509Certificate(der))
  } catch (cause) {
    throw new CaError('certificate-invalid', `${source} is not a certificate`, { cause })
  }
}

export const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)

export const isSelfSigned = (certificate: X509Certificate): boolean => isIssuedBy(certificate, certificate)

/** Every certificate is a CA's, good at `now`, and issued by the next one, the last by `root`. */
export function requireChain(chain: readonly X509Certificate[], root: X509Certificate, now: Date): void {
  chain.forEach((certificate, index) => {
    const name = certificate.subject.replaceAll('\n', ', ')
    if (!certificate.ca || !isIssuedBy(certificate, chain[index + 1] ?? root))
      throw new CaError('certificate-invalid', `${name} is not a CA certificate of this root`)
    if (certificate.validToDate <= now)
      throw new CaError('certificate-expired', `the CA certificate ${name} has expired`)
  })
}

export function requireKey(certificate: X509Certificate, signer: Pick<Signer, 'spki'>, name: string): void {
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(signer.spki))
    throw new CaError('key-mismatch', `the key of CA ${name} does not belong to its certificate`)
}
