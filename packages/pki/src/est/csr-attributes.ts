import { oids } from '../der/oids.ts'
import { type Der, encodeDer, objectIdentifier, sequence, set, smallInteger } from '../der/writer.ts'
import type { KeyAlgorithm } from '../keys/generate.ts'

const attribute = (type: string, value: Der) => sequence(objectIdentifier(type), set(value))

/** RFC 7030 §4.5.2, RFC 9908: a key type is an attribute with its curve or size, a signature algorithm an identifier alone. */
const wanted: Readonly<Record<KeyAlgorithm, { key: Der; signature: Der }>> = {
  p256: {
    key: attribute(oids.ecPublicKey, objectIdentifier(oids.p256)),
    signature: objectIdentifier(oids.ecdsaWithSha256),
  },
  p384: {
    key: attribute(oids.ecPublicKey, objectIdentifier(oids.p384)),
    signature: objectIdentifier(oids.ecdsaWithSha384),
  },
  ed25519: { key: objectIdentifier(oids.ed25519), signature: objectIdentifier(oids.ed25519) },
  rsa2048: { key: attribute(oids.rsaEncryption, smallInteger(2048)), signature: objectIdentifier(oids.sha256WithRsa) },
  rsa3072: { key: attribute(oids.rsaEncryption, smallInteger(3072)), signature: objectIdentifier(oids.sha256WithRsa) },
}

/** The answer to /csrattrs (RFC 7030 §4.5.2), DER: the key a request should have, and the hash it should be signed with. */
export function encodeCsrAttributes(algorithm: KeyAlgorithm = 'p256'): Buffer {
  const { key, signature } = wanted[algorithm]
  return encodeDer(key === signature ? sequence(key) : sequence(key, signature))
}
