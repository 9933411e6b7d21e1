import { MusterError } from '@muster/contracts'
import { mayBeProxyHeader, readProxyHeader } from './proxy-header.ts'

export interface Start {
  /** Bytes to leave out: those of the PROXY header. */
  skip: number
  /** Who is behind the balancer, where one speaks for somebody. */
  address: string | undefined
}

const handshake = 22
const httpMethods = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|CONNECT|PATCH|TRACE|PRI) /
// RFC 8446 §5.1
const maxRecordBytes = 16_384

/**
 * Judges how a connection begins, before TLS has heard of it: `undefined` until the first TLS record is complete.
 * @throws MusterError `proxy-header` | `tls-required`
 */
export function judgeStart(bytes: Buffer, { isBalancer }: { isBalancer: boolean }): Start | undefined {
  if (bytes.length === 0) return undefined
  if (!isBalancer) return isRecordComplete(bytes) ? { skip: 0, address: undefined } : undefined
  const header = readProxyHeader(bytes)
  if (!header) return undefined
  const rest = bytes.subarray(header.size)
  const { size: skip, address } = header
  return rest.length > 0 && isRecordComplete(rest) ? { skip, address } : undefined
}

/** Whole, because half a ClientHello would already cost what a TLS connection costs. */
function isRecordComplete(bytes: Buffer): boolean {
  if (bytes[0] !== handshake) throw refuseStart(bytes)
  if (bytes.length < 5) return false
  const size = bytes.readUInt16BE(3)
  if (bytes[1] !== 3 || size === 0 || size > maxRecordBytes) throw notTls('the first TLS record is malformed')
  if (bytes.length > 5 && bytes[5] !== 1) throw notTls('the first TLS message is not a ClientHello')
  return bytes.length >= 5 + size
}

const notTls = (why: string) => new MusterError('tls-required', why)

function refuseStart(bytes: Buffer): MusterError {
  // A PROXY header begins with no byte that TLS begins with.
  if (bytes.length >= 5 && mayBeProxyHeader(bytes))
    return new MusterError('proxy-header', 'a PROXY header, and this address is not one of MUSTER_PROXY_FROM')
  if (looksLikeConnect(bytes)) return notTls('MQTT without TLS')
  if (httpMethods.test(bytes.toString('latin1', 0, 16))) return notTls('HTTP without TLS')
  return notTls('neither TLS nor anything known')
}

/** [MQTT-3.1.2-1]: a CONNECT whose protocol name begins with MQ (MQTT, MQIsdp). */
function looksLikeConnect(bytes: Buffer): boolean {
  if (bytes[0] !== 0x10) return false
  let at = 1
  while (at < 5 && (bytes[at] ?? 0) & 0x80) at++
  const name = bytes.toString('latin1', at + 3, at + 5)
  return 'MQ'.startsWith(name)
}
