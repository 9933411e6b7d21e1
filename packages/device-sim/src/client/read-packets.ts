export const packetTypes = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  pingresp: 13,
  disconnect: 14,
} as const

/** `start` and `end` bound the variable header and the payload in `bytes`, which is not kept: copy what you need. */
export type OnPacket = (type: number, flags: number, bytes: Buffer, start: number, end: number) => void

/** Cuts a stream into packets, whatever the pieces it comes in; allocates nothing where a piece holds whole packets. */
export function readPackets(onPacket: OnPacket): (chunk: Buffer) => void {
  let kept: Buffer | undefined
  return (chunk) => {
    const bytes = kept ? Buffer.concat([kept, chunk]) : chunk
    let at = 0
    for (;;) {
      const start = findBody(bytes, at)
      if (start === undefined) break
      const end = start + readLength(bytes, at + 1)
      if (end > bytes.length) break
      const first = bytes[at] ?? 0
      onPacket(first >> 4, first & 0x0f, bytes, start, end)
      at = end
    }
    kept = at < bytes.length ? bytes.subarray(at) : undefined
  }
}

/** Where the body begins of the packet at `at`, if its length is there already. @throws if that is longer than four bytes */
function findBody(bytes: Buffer, at: number): number | undefined {
  for (let index = at + 1; index < bytes.length && index <= at + 4; index++)
    if ((bytes[index] ?? 0) < 0x80) return index + 1
  if (bytes.length > at + 4) throw new Error('the length of a packet has more than four bytes')
  return undefined
}

function readLength(bytes: Buffer, at: number): number {
  let length = 0
  for (let index = at, shift = 0; ; index++, shift += 7) {
    const byte = bytes[index] ?? 0
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return length
  }
}

export interface Message {
  qos: number
  messageId: number
  topic: string
  payload: Buffer
}

/** A PUBLISH packet; its payload is a copy. */
export function readMessage(flags: number, bytes: Buffer, start: number, end: number, version: 4 | 5): Message {
  const topicEnd = start + 2 + bytes.readUInt16BE(start)
  const qos = (flags >> 1) & 3
  let at = topicEnd
  const messageId = qos > 0 ? bytes.readUInt16BE(at) : 0
  if (qos > 0) at += 2
  if (version === 5) {
    const body = findBody(bytes, at - 1) ?? end
    at = body + readLength(bytes, at)
  }
  const topic = bytes.toString('utf8', start + 2, topicEnd)
  return { qos, messageId, topic, payload: Buffer.from(bytes.subarray(at, end)) }
}

/** Of a PUBLISH with QoS 1, without looking at the rest. */
export function readPublishId(bytes: Buffer, start: number): number {
  return bytes.readUInt16BE(start + 2 + bytes.readUInt16BE(start))
}
