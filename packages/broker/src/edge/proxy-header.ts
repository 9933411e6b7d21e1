import { isIPv4, isIPv6 } from 'node:net'
import { MusterError } from '@muster/contracts'
import { readAddress } from './address.ts'

/** What a balancer says of a connection: PROXY protocol, version 1 (text) and 2 (binary). */
export interface ProxyHeader {
  /** Bytes that it takes. */
  size: number
  /** `undefined`: the balancer speaks for itself (LOCAL, UNKNOWN). */
  address: string | undefined
}

const v1Start = Buffer.from('PROXY ')
const v2Start = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
// The longest line of version 1, its end included (§2.1).
const v1MaxBytes = 107
// Addresses take 36 at most; what else is in a header are TLVs, of which a few are in use, each of tens of bytes.
const v2MaxBytes = 16 + 2_048

const bad = (why: string) => new MusterError('proxy-header', why)

/** Whether bytes begin a PROXY header, or may turn out to. */
export function mayBeProxyHeader(bytes: Buffer): boolean {
  return isPrefix(bytes, v1Start) || isPrefix(bytes, v2Start)
}

/**
 * The header at the start of `bytes`; `undefined` when more is needed to know.
 * @throws MusterError `proxy-header`
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (isPrefix(bytes, v1Start)) return readText(bytes)
  if (isPrefix(bytes, v2Start)) return readBinary(bytes)
  throw bad('this address is that of a balancer, and must send a PROXY header first')
}

function isPrefix(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

function readText(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, v1MaxBytes).indexOf('\r\n')
  if (end < 0 && bytes.length < v1MaxBytes) return undefined
  if (end < 0) throw bad(`a PROXY line above ${v1MaxBytes} bytes`)
  const size = end + 2
  const [, family, ...rest] = bytes.toString('latin1', 0, end).split(' ')
  if (family === 'UNKNOWN') return { size, address: undefined }
  const [source = '', target = '', sourcePort = '', targetPort = '', ...more] = rest
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined
  const good = isAddress?.(source) && isAddress(target) && isPort(sourcePort) && isPort(targetPort)
  if (!good || more.length > 0) throw bad('the PROXY line is malformed')
  return { size, address: readAddress({ remoteAddress: source.toLowerCase() }) }
}

const isPlainIPv6 = (text: string) => isIPv6(text) && !text.includes('%')
const isPort = (text: string) => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535

function readBinary(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < 16) return undefined
  const size = 16 + bytes.readUInt16BE(14)
  if (size > v2MaxBytes) throw bad(`a PROXY header above ${v2MaxBytes} bytes`)
  const command = bytes.readUInt8(12)
  if (command !== 0x20 && command !== 0x21) throw bad('a PROXY header of an unknown version or command')
  if (bytes.length < size) return undefined
  // §2.2: whatever a LOCAL connection brings is to be skipped.
  if (command === 0x20) return { size, address: undefined }
  const family = bytes.readUInt8(13)
  const length = family === 0x11 ? 4 : family === 0x21 ? 16 : 0
  if (length === 0) throw bad('a PROXY header for something else than TCP')
  const tlvsAt = 16 + 2 * length + 4
  if (tlvsAt > size) throw bad('a PROXY header without room for its addresses')
  requireTlvs(bytes.subarray(tlvsAt, size))
  return { size, address: writeAddress(bytes.subarray(16, 16 + length)) }
}

/** Type-length-value entries must fill what is left exactly (§2.2.7). */
function requireTlvs(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) throw bad('the PROXY header has a malformed TLV')
    at += 3 + bytes.readUInt16BE(at + 1)
    if (at > bytes.length) throw bad('the PROXY header has a malformed TLV')
  }
}

function writeAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  const { hostname } = new URL(`http://[${groups.join(':')}]`)
  const mapped = bytes.subarray(0, 12).equals(Buffer.from('00000000000000000000ffff', 'hex'))
  return mapped ? bytes.subarray(12).join('.') : hostname.slice(1, -1)
}
