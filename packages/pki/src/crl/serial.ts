import { crc32 } from 'node:zlib'

const serialPattern = /^([0-9a-f]{2}){1,20}$/

/** The INTEGER of a serial number in lower-case hex. */
export function encodeSerial(serial: string): Buffer {
  const hex = magnitudeOf(serial)
  const sign = hex >= '8' ? 1 : 0
  const length = sign + hex.length / 2
  const encoded = Buffer.allocUnsafe(2 + length)
  encoded[0] = 0x02
  encoded[1] = length
  encoded[2] = 0
  encoded.write(hex, 2 + sign, 'hex')
  return encoded
}

/** The shard (0 to `count` - 1) of a certificate; its CRL distribution point names it, so `count` stays while the issuer lives. */
export function shardOf(serial: string, count: number): number {
  if (!Number.isInteger(count) || count < 1) throw new RangeError('there is at least one shard')
  return crc32(Buffer.from(magnitudeOf(serial), 'hex')) % count
}

/** Without leading zeros. */
function magnitudeOf(serial: string): string {
  if (!serialPattern.test(serial)) throw new RangeError('a serial number is 1 to 20 octets in lower-case hex')
  return serial.startsWith('00') ? serial.replace(/^(?:00)+(?=..)/, '') : serial
}
