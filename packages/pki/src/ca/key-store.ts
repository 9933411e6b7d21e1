import { createPublicKey, createSign, type KeyObject, sign } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Signer } from '../issuer.ts'
import { decryptKey, encryptKey } from '../keys/encrypted-key.ts'
import { generateKey } from '../keys/generate.ts'
import { signatureAlgorithmFor } from '../signatures.ts'
import { CaError } from './ca-error.ts'
import { readIfPresent, writeOnce } from './durable-file.ts'
import { requireName } from './stored-certificates.ts'

/** Where CA keys live. Files here; a PKCS#11 token fits behind it as well. */
export interface KeyStore {
  /** The key of that name, if there is one. */
  open(name: string): Promise<Signer | undefined>
  /** Makes the key, durably, before it returns; the existing one where another process was faster. */
  create(name: string): Promise<Signer>
  /** Takes in a key that was made elsewhere; `already-exists` where the name has another one. Not every store can. */
  import?(name: string, privateKey: KeyObject): Promise<Signer>
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

export interface FileKeyStore extends KeyStore {
  import(name: string, privateKey: KeyObject): Promise<Signer>
  /** The key itself, to move it to another store. */
  read(name: string): Promise<KeyObject | undefined>
}

/** Encrypted PKCS#8 files, `<name>.key`. */
export function fileKeyStore(directory: string, passphrase: string): FileKeyStore {
  const path = (name: string) => join(directory, `${requireName(name)}.key`)
  const decrypt = (name: string, pem: string) => {
    const key = decryptKey(pem, passphrase)
    if (!key) throw new CaError('passphrase-wrong', `the CA passphrase does not open ${path(name)}`)
    return key
  }
  const store = async (name: string, key: KeyObject) => {
    const pem = await encryptKey(key, passphrase)
    const stored = await writeOnce(path(name), pem, 0o600)
    return stored === pem ? key : decrypt(name, stored)
  }
  const read = async (name: string) => {
    const pem = await readIfPresent(path(name))
    return pem === undefined ? undefined : decrypt(name, pem)
  }
  return {
    async open(name) {
      const key = await read(name)
      return key && keySigner(key)
    },
    create: async (name) => keySigner(await store(name, await generateKey('p256'))),
    async import(name, key) {
      const stored = await store(name, key)
      if (!stored.equals(key)) throw new CaError('already-exists', `${path(name)} holds another key`)
      return keySigner(stored)
    },
    read,
  }
}
