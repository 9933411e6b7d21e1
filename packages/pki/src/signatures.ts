import { constants, type KeyObject, verify } from 'node:crypto'
import { oids } from './der/oids.ts'
import {
  contextConstructed,
  type Der,
  encodeDer,
  nullValue,
  objectIdentifier,
  sequence,
  smallInteger,
} from './der/writer.ts'

type Hash = 'sha256' | 'sha384' | 'sha512'

export interface SignatureAlgorithm {
  /** What `KeyObject.asymmetricKeyType` says of keys that sign so. */
  keyType: 'ec' | 'rsa' | 'ed25519'
  /** Ed25519 brings its own. */
  hash: Hash | null
  /** The AlgorithmIdentifier, DER. */
  identifier: Buffer
  /** RSASSA-PSS: as long as the hash. */
  saltLength?: number
}

const identifier = (oid: string, ...parameters: Der[]) => encodeDer(sequence(objectIdentifier(oid), ...parameters))

const ecdsa = (oid: string, hash: Hash): SignatureAlgorithm => ({ keyType: 'ec', hash, identifier: identifier(oid) })
const rsa = (oid: string, hash: Hash, ...parameters: Der[]): SignatureAlgorithm => ({
  keyType: 'rsa',
  hash,
  identifier: identifier(oid, ...parameters),
})

function rsaPss(hash: Hash, saltLength: number, ...parameters: Der[]): SignatureAlgorithm {
  const digest = sequence(objectIdentifier(oids[hash]), ...parameters)
  const maskGeneration = sequence(objectIdentifier(oids.mgf1), digest)
  const parts = sequence(
    contextConstructed(0, digest),
    contextConstructed(1, maskGeneration),
    contextConstructed(2, smallInteger(saltLength)),
  )
  return { keyType: 'rsa', hash, identifier: identifier(oids.rsaPss, parts), saltLength }
}

const ecdsaSha256 = ecdsa(oids.ecdsaWithSha256, 'sha256')
const ecdsaSha384 = ecdsa(oids.ecdsaWithSha384, 'sha384')
const rsaSha256 = rsa(oids.sha256WithRsa, 'sha256', nullValue)
const ed25519: SignatureAlgorithm = { keyType: 'ed25519', hash: null, identifier: identifier(oids.ed25519) }

/** Everything a request may be signed with; SHA-1 and MD5 are not here. RFC 4055 §5: NULL or absent, both are read. */
const accepted = new Map(
  [
    ecdsaSha256,
    ecdsaSha384,
    ecdsa(oids.ecdsaWithSha512, 'sha512'),
    rsaSha256,
    rsa(oids.sha384WithRsa, 'sha384', nullValue),
    rsa(oids.sha512WithRsa, 'sha512', nullValue),
    rsa(oids.sha256WithRsa, 'sha256'),
    rsa(oids.sha384WithRsa, 'sha384'),
    rsa(oids.sha512WithRsa, 'sha512'),
    rsaPss('sha256', 32, nullValue),
    rsaPss('sha384', 48, nullValue),
    rsaPss('sha512', 64, nullValue),
    rsaPss('sha256', 32),
    rsaPss('sha384', 48),
    rsaPss('sha512', 64),
    ed25519,
  ].map((algorithm) => [algorithm.identifier.toString('hex'), algorithm]),
)

/** The accepted algorithm that an AlgorithmIdentifier names. */
export function findSignatureAlgorithm(algorithmIdentifier: Buffer): SignatureAlgorithm | undefined {
  return accepted.get(algorithmIdentifier.toString('hex'))
}

/** The algorithm Muster itself signs with, given a key of either half. */
export function signatureAlgorithmFor(key: KeyObject): SignatureAlgorithm {
  switch (key.asymmetricKeyType) {
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? ecdsaSha384 : ecdsaSha256
    case 'rsa':
      return rsaSha256
    case 'ed25519':
      return ed25519
    default:
      throw new TypeError(`no signature algorithm for a key of type ${key.asymmetricKeyType}`)
  }
}

export function isSignatureValid(
  { keyType, hash, saltLength }: SignatureAlgorithm,
  bytes: Uint8Array,
  publicKey: KeyObject,
  signature: Uint8Array,
): boolean {
  if (publicKey.asymmetricKeyType !== keyType) return false
  if (saltLength === undefined) return verify(hash, bytes, publicKey, signature)
  return verify(hash, bytes, { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature)
}
