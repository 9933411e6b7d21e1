import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

export type KeyAlgorithm = 'p256' | 'p384' | 'ed25519' | 'rsa2048' | 'rsa3072'

const generate = promisify(generateKeyPair)

/** A new private key. */
export async function generateKey(algorithm: KeyAlgorithm = 'p256'): Promise<KeyObject> {
  switch (algorithm) {
    case 'p256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey
    case 'p384':
      return (await generate('ec', { namedCurve: 'P-384' })).privateKey
    case 'ed25519':
      return (await generate('ed25519')).privateKey
    case 'rsa2048':
      return (await generate('rsa', { modulusLength: 2048 })).privateKey
    case 'rsa3072':
      return (await generate('rsa', { modulusLength: 3072 })).privateKey
  }
}
