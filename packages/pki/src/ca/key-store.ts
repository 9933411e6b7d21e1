import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { join } from 'node:path'
import type { Signer } from '../issuer.ts'
import { decryptKey, encryptKey } from '../keys/encrypted-key.ts'
import { generateKey } from '../keys/generate.ts'
import { signatureAlgorithmFor } from '../signatures.ts'
import { CaError } from './ca-error.ts'
import { readIfPresent, writeOnce } from './durable-file.ts'

/** Where CA keys live. Files here; a PKCS#11 token fits behind it as well. */
export interface KeyStore {
  /** The key of that name, if there is one. */
  open(name: string): Promise<Signer | undefined>
  /** Makes the key, durably, before it returns; the existing one where another process was faster. */
  create(name: string): Promise<Signer>
}

/** A signer over a key in this process' memory. */
export function keySigner(privateKey: KeyObject): Signer {
  const { hash } = signatureAlgorithmFor(privateKey)
  return {
    spki: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    sign: async (bytes) => sign(hash, bytes, privateKey),
  }
}

/** Encrypted PKCS#8 files, `<name>.key`. */
export function fileKeyStore(directory: string, passphrase: string): KeyStore {
  const path = (name: string) => join(directory, `${name}.key`)
  const decrypt = (name: string, pem: string) => {
    const key = decryptKey(pem, passphrase)
    if (!key) throw new CaError('passphrase-wrong', `the CA passphrase does not open ${path(name)}`)
    return keySigner(key)
  }
  return {
    async open(name) {
      const pem = await readIfPresent(path(name))
      return pem === undefined ? undefined : decrypt(name, pem)
    },
    async create(name) {
      const key = await generateKey('p256')
      const pem = await encryptKey(key, passphrase)
      const stored = await writeOnce(path(name), pem, 0o600)
      return stored === pem ? keySigner(key) : decrypt(name, stored)
    },
  }
}
