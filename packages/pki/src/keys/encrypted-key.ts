import { createCipheriv, createPrivateKey, type KeyObject, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { oids } from '../der/oids.ts'
import { encodeDer, objectIdentifier, octetString, sequence, smallInteger } from '../der/writer.ts'
import { encodePem } from '../pem.ts'

const label = 'ENCRYPTED PRIVATE KEY'
/** 16 MiB for a guess; the most that `openssl pkey` reads without being told otherwise. */
const cost = { N: 16_384, r: 8, p: 1 }
const derive = promisify<string, Buffer, number, typeof cost, Buffer>(scrypt)

/**
 * Encrypted PKCS#8 that openssl reads (RFC 5958; PBES2 with scrypt, RFC 7914 §7, and AES-256-CBC).
 * Node's own `export` would derive the key with 2,048 rounds of PBKDF2, too few for a passphrase that a person chose.
 */
export async function encryptKey(privateKey: KeyObject, passphrase: string): Promise<string> {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-cbc', await derive(passphrase, salt, 32, cost), iv)
  const plain = privateKey.export({ type: 'pkcs8', format: 'der' })
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()])
  plain.fill(0)
  const parameters = sequence(octetString(salt), smallInteger(cost.N), smallInteger(cost.r), smallInteger(cost.p))
  const scheme = sequence(
    sequence(objectIdentifier(oids.scrypt), parameters),
    sequence(objectIdentifier(oids.aes256Cbc), octetString(iv)),
  )
  return encodePem(label, encodeDer(sequence(sequence(objectIdentifier(oids.pbes2), scheme), octetString(encrypted))))
}

/** The key, or `undefined` where the passphrase does not open it. */
export function decryptKey(pem: string, passphrase: string): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, format: 'pem', passphrase })
  } catch {
    return undefined
  }
}
