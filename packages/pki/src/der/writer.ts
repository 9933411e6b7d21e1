/** Encoded bytes, or a node that knows its encoded length: a tree of them is written once, into one buffer. */
export type Der = Uint8Array | DerNode

interface DerNode {
  readonly tag: number
  readonly contentLength: number
  /** Header and content. */
  readonly length: number
  readonly parts: readonly Der[]
}

/** A value with any tag; the parts are its content. */
export function tagged(tag: number, parts: readonly Der[]): Der {
  let contentLength = 0
  for (const part of parts) contentLength += part.length
  return { tag, contentLength, length: 1 + lengthOfLength(contentLength) + contentLength, parts }
}

export const sequence = (...parts: Der[]): Der => tagged(0x30, parts)
export const set = (...parts: Der[]): Der => tagged(0x31, parts)
export const octetString = (...parts: Der[]): Der => tagged(0x04, parts)
export const utf8String = (text: string): Der => tagged(0x0c, [Buffer.from(text, 'utf8')])
export const nullValue: Uint8Array = Uint8Array.of(0x05, 0x00)
export const enumerated = (value: number): Der => tagged(0x0a, [Uint8Array.of(value)])
export const booleanTrue: Uint8Array = Uint8Array.of(0x01, 0x01, 0xff)

/** `[n]` with the tag of the content replaced (primitive) or around it (constructed). */
export const contextPrimitive = (n: number, content: Uint8Array): Der => tagged(0x80 | n, [content])
export const contextConstructed = (n: number, ...parts: Der[]): Der => tagged(0xa0 | n, parts)

export function bitString(bytes: Uint8Array, unusedBits = 0): Der {
  return tagged(0x03, [Uint8Array.of(unusedBits), bytes])
}

/** A non-negative INTEGER from its magnitude, big-endian; leading zeros do not matter. */
export function unsignedInteger(magnitude: Uint8Array): Der {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const bytes = magnitude.subarray(start)
  const first = bytes[0]
  if (first === undefined) return tagged(0x02, [Uint8Array.of(0)])
  return tagged(0x02, first & 0x80 ? [Uint8Array.of(0), bytes] : [bytes])
}

export function smallInteger(value: number): Der {
  if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff) throw new RangeError('not a small integer')
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return unsignedInteger(bytes)
}

const encodedOids = new Map<string, Uint8Array>()

export function objectIdentifier(dotted: string): Uint8Array {
  let encoded = encodedOids.get(dotted)
  if (!encoded) {
    encoded = encodeDer(tagged(0x06, [Buffer.from(objectIdentifierContent(dotted))]))
    encodedOids.set(dotted, encoded)
  }
  return encoded
}

function objectIdentifierContent(dotted: string): number[] {
  const [first = Number.NaN, second = Number.NaN, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    if (!Number.isSafeInteger(arc) || arc < 0) throw new RangeError(`not an object identifier: ${dotted}`)
    const septets = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) septets.unshift((left % 128) | 0x80)
    bytes.push(...septets)
  }
  return bytes
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050; whole seconds. */
export function time(at: Date): Der {
  const year = at.getUTCFullYear()
  if (!(year >= 1950 && year < 2050)) return generalizedTime(at)
  return encodeTime(0x17, [year % 100], at)
}

/** RFC 6960 §4.2.2.1 has no other; whole seconds. */
export function generalizedTime(at: Date): Der {
  const year = at.getUTCFullYear()
  if (!(year >= 0 && year <= 9999)) throw new RangeError('the date cannot be written into a certificate')
  return encodeTime(0x18, [Math.floor(year / 100), year % 100], at)
}

function encodeTime(tag: number, year: readonly number[], at: Date): Uint8Array {
  const pairs = [
    ...year,
    at.getUTCMonth() + 1,
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
  ]
  const encoded = Buffer.allocUnsafe(2 * pairs.length + 3)
  encoded[0] = tag
  encoded[1] = encoded.length - 2
  let i = 2
  for (const pair of pairs) {
    encoded[i++] = 0x30 + Math.floor(pair / 10)
    encoded[i++] = 0x30 + (pair % 10)
  }
  encoded[i] = 0x5a
  return encoded
}

export function encodeDer(value: Der): Buffer {
  const out = Buffer.allocUnsafe(value.length)
  write(out, 0, value)
  return out
}

/** Tag and length of a value whose content follows from elsewhere. */
export function encodeHeader(tag: number, contentLength: number): Buffer {
  const out = Buffer.allocUnsafe(1 + lengthOfLength(contentLength))
  writeHeader(out, 0, { tag, contentLength })
  return out
}

function write(out: Buffer, offset: number, value: Der): number {
  if (value instanceof Uint8Array) {
    out.set(value, offset)
    return offset + value.length
  }
  let at = writeHeader(out, offset, value)
  for (const part of value.parts) at = write(out, at, part)
  return at
}

function writeHeader(
  out: Buffer,
  offset: number,
  { tag, contentLength }: Pick<DerNode, 'tag' | 'contentLength'>,
): number {
  out[offset] = tag
  const octets = lengthOfLength(contentLength) - 1
  if (octets === 0) {
    out[offset + 1] = contentLength
    return offset + 2
  }
  out[offset + 1] = 0x80 | octets
  return out.writeUIntBE(contentLength, offset + 2, octets)
}

function lengthOfLength(length: number): number {
  if (length < 0x80) return 1
  if (length < 0x100) return 2
  if (length < 0x10000) return 3
  if (length < 0x1000000) return 4
  return 5
}
