import type { Socket } from 'node:net'

export interface FirstPacket {
  bytes: Buffer
  /** Undefined where it is no CONNECT that can be understood: it is the broker's to refuse. */
  clientId: string | undefined
}

/** Everything received when the first packet was whole. */
export function readFirstPacket(socket: Socket): Promise<FirstPacket | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0)
    const finish = (packet: FirstPacket | undefined) => {
      socket.off('data', collect)
      socket.pause()
      resolve(packet)
    }
    const collect = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const place = findClientId(bytes)
      if (place === 'more') return
      finish({ bytes, clientId: place && bytes.toString('utf8', place.start, place.end) })
    }
    socket.on('data', collect)
    socket.once('close', () => finish(undefined))
  })
}

/** The same CONNECT, and what follows it, with another client id. */
export function renameClient(bytes: Buffer, clientId: string): Buffer {
  const place = findClientId(bytes)
  if (place === undefined || place === 'more') return bytes
  const name = Buffer.from(clientId)
  const length = place.packetEnd - place.body + name.length - (place.end - place.start)
  const header = [bytes[0] ?? 0]
  for (let rest = length; header.length === 1 || rest > 0; rest >>>= 7)
    header.push((rest & 0x7f) | (rest > 127 ? 0x80 : 0))
  const nameLength = Buffer.from([name.length >> 8, name.length & 0xff])
  return Buffer.concat([
    Buffer.from(header),
    bytes.subarray(place.body, place.start - 2),
    nameLength,
    name,
    bytes.subarray(place.end),
  ])
}

interface Place {
  body: number
  start: number
  end: number
  packetEnd: number
}

function findClientId(bytes: Buffer): Place | undefined | 'more' {
  const length = readVariable(bytes, 1)
  if (length === 'more' || length === undefined) return length
  const { end: body, value } = length
  const packetEnd = body + value
  if (bytes.length < packetEnd) return 'more'
  if ((bytes[0] ?? 0) >> 4 !== 1 || value < 12) return undefined
  const afterName = body + 2 + bytes.readUInt16BE(body)
  const level = bytes[afterName]
  // Level, flags, keep alive; in MQTT 5 the properties.
  let at = afterName + 4
  if (level === 5) {
    const properties = readVariable(bytes, at)
    if (properties === 'more' || properties === undefined) return undefined
    at = properties.end + properties.value
  }
  if (at + 2 > packetEnd) return undefined
  const end = at + 2 + bytes.readUInt16BE(at)
  return end > packetEnd ? undefined : { body, start: at + 2, end, packetEnd }
}

function readVariable(bytes: Buffer, at: number): { value: number; end: number } | undefined | 'more' {
  let value = 0
  for (let index = 0; index < 4; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return 'more'
    value |= (byte & 0x7f) << (7 * index)
    if (byte < 0x80) return { value, end: at + index + 1 }
  }
  return undefined
}
