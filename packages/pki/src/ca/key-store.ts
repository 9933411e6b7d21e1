import { createPublicKey, createSign, type KeyObject, sign } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
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
    ...(hash && { signParts: (parts) => signInTurns(hash, parts, privateKey) }),
  }
}

/** A few milliseconds of hashing. */
const turnBytes = 4 * 1024 * 1024

/** Lets others have their turn in between: a large CRL must not hold up the process. */
async function signInTurns(hash: string, parts: readonly Uint8Array[], privateKey: KeyObject): Promise<Buffer> {
  const signing = createSign(hash)
  let bytes = 0
  for (const part of parts) {
    signing.update(part)
    bytes += part.length
    if (bytes < turnBytes) continue
    bytes = 0
    await setImmediate()
  }
  return signing.sign(privateKey)
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
