import { randomBytes } from 'node:crypto'

/** 16 random bytes; the first is 0x40 to 0x7f, so that the number is positive and never shorter. */
export function createSerial(): Buffer {
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}
