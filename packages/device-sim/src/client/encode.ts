/** Protocol level: MQTT 3.1.1 or 5. */
export type Version = 4 | 5
export type Qos = 0 | 1 | 2

export interface Will {
  topic: string
  payload: Buffer
  qos: Qos
  retain: boolean
}

export interface ConnectPacket {
  clientId: string
  version: Version
  clean: boolean
  keepAliveSeconds: number
  /** MQTT 5 only. */
  sessionExpirySeconds?: number
  will?: Will
}

export function encodeConnect(packet: ConnectPacket): Buffer {
  const { clientId, version, clean, keepAliveSeconds, sessionExpirySeconds = 0, will } = packet
  const flags = (clean ? 2 : 0) | (will ? 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0) : 0)
  const header = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, version, flags, 0, 0])
  header.writeUInt16BE(keepAliveSeconds, 8)
  const last = will ? [noProperties(version), text(will.topic), uint16(will.payload.length), will.payload] : []
  return frame(0x10, [header, version === 5 ? sessionExpiry(sessionExpirySeconds) : empty, text(clientId), ...last])
}

export function encodeSubscribe(messageId: number, filters: readonly string[], qos: Qos, version: Version): Buffer {
  const wanted = filters.flatMap((filter) => [text(filter), Buffer.from([qos])])
  return frame(0x82, [uint16(messageId), noProperties(version), ...wanted])
}

/** The first byte of each packet that is nothing but an answer to another. */
export const answers = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const

export function encodeAnswer(kind: keyof typeof answers, messageId: number): Buffer {
  return Buffer.from([answers[kind], 2, messageId >> 8, messageId & 0xff])
}

export const pingreq = Buffer.from([0xc0, 0])
export const disconnect = Buffer.from([0xe0, 0])

export interface PublishPacket {
  topic: string
  payload: Buffer
  qos: Qos
  version: Version
}

export function encodePublish(packet: PublishPacket & { messageId: number; dup: boolean }): Buffer {
  const { topic, payload, qos, version, messageId, dup } = packet
  const first = 0x30 | (dup ? 0x08 : 0) | (qos << 1)
  return frame(first, [text(topic), qos > 0 ? uint16(messageId) : empty, noProperties(version), payload])
}

/** One PUBLISH, to be sent many times: only the packet id differs. */
export interface PublishTemplate {
  qos: Qos
  /** One packet for each id, joined; an id is not used with QoS 0. */
  encode(messageIds: readonly number[]): Buffer
}

export function createPublishTemplate({ topic, payload, qos, version }: PublishPacket): PublishTemplate {
  const packet = encodePublish({ topic, payload, qos, version, messageId: 0, dup: false })
  const idAt = packet.length - payload.length - noProperties(version).length - 2
  return {
    qos,
    encode(messageIds) {
      const joined = Buffer.allocUnsafe(packet.length * messageIds.length)
      let at = 0
      for (const messageId of messageIds) {
        packet.copy(joined, at)
        if (qos > 0) joined.writeUInt16BE(messageId, at + idAt)
        at += packet.length
      }
      return joined
    },
  }
}

const empty = Buffer.alloc(0)
const zero = Buffer.from([0])
const noProperties = (version: Version) => (version === 5 ? zero : empty)

function sessionExpiry(seconds: number): Buffer {
  if (seconds === 0) return zero
  const properties = Buffer.from([5, 0x11, 0, 0, 0, 0])
  properties.writeUInt32BE(seconds, 2)
  return properties
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint16(bytes.length), bytes])
}

function frame(firstByte: number, parts: Buffer[]): Buffer {
  let rest = parts.reduce((sum, part) => sum + part.length, 0)
  const header = [firstByte]
  do {
    const more = rest > 127 ? 0x80 : 0
    header.push((rest & 0x7f) | more)
    rest >>>= 7
  } while (rest > 0)
  return Buffer.concat([Buffer.from(header), ...parts])
}
