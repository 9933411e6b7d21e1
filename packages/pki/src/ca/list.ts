import type { X509Certificate } from 'node:crypto'
import { isIssuedBy, isSelfSigned, readAllChains } from './stored-certificates.ts'

export interface CaListing {
  roots: { name: string; certificate: X509Certificate }[]
  /** Certificates of a root's key by another root. */
  crosses: { name: string; certificate: X509Certificate; root: string; by: string | undefined }[]
  /** `chain` as in `Issuer`; `root` is absent where it is not in the directory. */
  issuers: { name: string; certificate: X509Certificate; chain: X509Certificate[]; root: string | undefined }[]
}

/** The CAs that have a certificate in `directory`, by name. @throws CaError */
export async function listCa(directory: string): Promise<CaListing> {
  const listing: CaListing = { roots: [], crosses: [], issuers: [] }
  const all = [...(await readAllChains(directory))].flatMap(([name, chain]) => {
    const [certificate] = chain
    return certificate ? [{ name, chain, certificate, top: chain.at(-1) ?? certificate }] : []
  })
  for (const { name, certificate } of all) if (isSelfSigned(certificate)) listing.roots.push({ name, certificate })
  const rootOf = (top: X509Certificate) => listing.roots.find(({ certificate }) => isIssuedBy(top, certificate))?.name
  for (const { name, chain, certificate, top } of all) {
    if (isSelfSigned(certificate)) continue
    const twin = listing.roots.find((root) => root.certificate.publicKey.equals(certificate.publicKey))
    if (twin) listing.crosses.push({ name, certificate, root: twin.name, by: rootOf(certificate) })
    else listing.issuers.push({ name, certificate, chain, root: rootOf(top) })
  }
  return listing
}
