import type { X509Certificate } from 'node:crypto'

/** The half of a key that stays inside its store. */
export interface Signer {
  /** SubjectPublicKeyInfo, DER. */
  spki: Buffer
  /** Signs with the algorithm that `signatureAlgorithmFor` names for the key; ECDSA as DER. */
  sign(bytes: Uint8Array): Promise<Buffer>
  /** The same over the parts of one message, where the store can do so without joining them. */
  signParts?(parts: readonly Uint8Array[]): Promise<Buffer>
}

/** Where relying parties find what belongs to an issuer; goes into every certificate. */
export interface IssuerUrls {
  crl?: readonly string[]
  /** Further addresses, in the same distribution point, that depend on the certificate: the CRL of its shard. */
  crlOf?(serial: string): readonly string[]
  caIssuers?: readonly string[]
  ocsp?: readonly string[]
}

/** An issuing CA that is ready to sign. */
export interface Issuer {
  name: string
  certificate: X509Certificate
  /** This CA up to, but not including, the root. */
  chain: X509Certificate[]
  root: X509Certificate
  /** The root's key as certified by the roots before it, for those that know only an older one: goes behind `chain`. */
  cross?: readonly X509Certificate[]
  urls?: IssuerUrls
  sign: Signer['sign']
  signParts?: NonNullable<Signer['signParts']>
}
