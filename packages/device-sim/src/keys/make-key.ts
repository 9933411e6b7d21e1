import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { DevicePlan } from '../plan/device-plan.ts'

export type KeyAlgorithm = DevicePlan['keyAlgorithm']

const generate = promisify(generateKeyPair)

/** As the SDK makes it on a device. */
export async function makeKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  switch (algorithm) {
    case 'p256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey
    case 'p384':
      return (await generate('ec', { namedCurve: 'P-384' })).privateKey
    case 'ed25519':
      return (await generate('ed25519')).privateKey
    case 'rsa2048':
      return (await generate('rsa', { modulusLength: 2_048 })).privateKey
    case 'rsa3072':
      return (await generate('rsa', { modulusLength: 3_072 })).privateKey
  }
}
