import type { TLSSocket } from 'node:tls'
import { MusterError } from '@muster/contracts'
import { type IConnectPacket, type Packet, parser } from 'mqtt-packet'

/**
 * The CONNECT at the start of the stream; every byte stays in the socket for whoever reads next.
 * `undefined` when the peer goes away or lets the time pass.
 * @throws MusterError `packet-malformed` | `request-too-large`
 */
export function readConnect(
  socket: TLSSocket,
  { maxBytes, timeoutMs }: { maxBytes: number; timeoutMs: number },
): Promise<IConnectPacket | undefined> {
  return new Promise((resolve, reject) => {
    let held: Buffer = Buffer.alloc(0)
    const stop = () => {
      clearTimeout(timer)
      socket.off('readable', read)
      socket.off('close', leave)
    }
    const leave = () => {
      stop()
      resolve(undefined)
    }
    const read = () => {
      const chunk = socket.read() as Buffer | null
      if (!chunk) return
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      try {
        const size = measureConnect(held, maxBytes)
        if (size === undefined || held.length < size) return
        const packet = parseConnect(held.subarray(0, size))
        stop()
        socket.unshift(held)
        resolve(packet)
      } catch (error) {
        stop()
        reject(error)
      }
    }
    const timer = setTimeout(leave, timeoutMs)
    socket.on('readable', read)
    socket.on('close', leave)
    if (socket.destroyed) leave()
  })
}

const malformed = (why: string, cause?: unknown) => new MusterError('packet-malformed', why, { cause })

/** Size of the packet that begins here, once its length field is complete. [MQTT-2.1.4] */
function measureConnect(bytes: Buffer, maxBytes: number): number | undefined {
  if (bytes[0] !== 0x10) throw malformed('the first packet is not CONNECT')
  let remaining = 0
  for (let index = 1; index <= 4; index++) {
    const byte = bytes[index]
    if (byte === undefined) return undefined
    remaining += (byte & 0x7f) * 128 ** (index - 1)
    if (byte & 0x80) continue
    const size = 1 + index + remaining
    if (size > maxBytes) throw new MusterError('request-too-large', `CONNECT above ${maxBytes} bytes`)
    return size
  }
  throw malformed('the packet length is malformed')
}

function parseConnect(frame: Buffer): IConnectPacket {
  const packets: Packet[] = []
  const reader = parser()
  reader.on('packet', (packet) => packets.push(packet))
  reader.on('error', (error) => {
    throw error
  })
  try {
    reader.parse(frame)
  } catch (cause) {
    throw malformed('CONNECT cannot be parsed', cause)
  }
  const [packet] = packets
  if (packet?.cmd !== 'connect') throw malformed('CONNECT cannot be parsed')
  return packet
}
