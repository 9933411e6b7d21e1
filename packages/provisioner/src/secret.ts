import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Compared against when there is nothing to compare with, so that an unknown id costs what a wrong secret does. */
const nobody = randomBytes(32)

/** 32 random bytes, base64url. With that much entropy one SHA-256 is all the storage needs. */
export const createSecret = () => randomBytes(32).toString('base64url')
export const createSecretId = () => randomBytes(8).toString('hex')

export const hashSecret = (secret: string) => hash('sha256', secret, 'buffer')

export function isSecret(secret: string, stored: Buffer | undefined): boolean {
  const equal = timingSafeEqual(hashSecret(secret), stored ?? nobody)
  return equal && stored !== undefined
}
