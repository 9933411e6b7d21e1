import { createPublicKey, randomBytes } from 'node:crypto'
import { isSignatureValid, signatureAlgorithmFor } from '../signatures.ts'
import { CaError } from './ca-error.ts'
import type { FileKeyStore, KeyStore } from './key-store.ts'

/**
 * Puts a key from a file into another store, and sees it sign there. The file stays: whoever moves the key destroys it once the
 * CA has been opened with the new store, or keeps it as the backup.
 * @throws CaError
 */
export async function moveKey(name: string, from: FileKeyStore, to: KeyStore): Promise<void> {
  const key = await from.read(name)
  if (!key) throw new CaError('key-missing', `there is no key ${name} to move`)
  if (!to.import) throw new CaError('key-missing', 'this key store takes in no keys: make the key there')
  const signer = await to.import(name, key)
  const publicKey = createPublicKey(key)
  const proof = randomBytes(32)
  const moved =
    publicKey.export({ type: 'spki', format: 'der' }).equals(signer.spki) &&
    isSignatureValid(signatureAlgorithmFor(publicKey), proof, publicKey, await signer.sign(proof))
  if (!moved) throw new CaError('key-mismatch', `the key store does not sign with the key ${name} that was moved`)
}
