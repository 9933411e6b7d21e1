import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { encodeSigned } from '../certificate/encode.ts'
import { encodeName } from '../certificate/name.ts'
import { contextConstructed, encodeDer, sequence, smallInteger } from '../der/writer.ts'
import { requireAllowedKey } from '../keys/require-allowed-key.ts'
import { signatureAlgorithmFor } from '../signatures.ts'

/**
 * A PKCS#10 request (DER) that proves possession of `privateKey`. The common name is a hint for people; Muster takes the subject from the claim.
 * @throws MusterError `key-not-allowed`
 */
export function createCsr(privateKey: KeyObject, commonName?: string): Buffer {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  requireAllowedKey(spki)
  const subject = encodeName(commonName === undefined ? {} : { commonName })
  const info = encodeDer(sequence(smallInteger(0), subject, spki, contextConstructed(0)))
  const algorithm = signatureAlgorithmFor(privateKey)
  return encodeSigned(info, algorithm, sign(algorithm.hash, info, privateKey))
}
