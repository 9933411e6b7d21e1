import type { Alias } from './aliases.ts'
import type { Message, Properties, Qos } from './message.ts'

export interface Shape {
  version: 4 | 5
  qos: Qos
  retain: boolean
  dup: boolean
  identifiers: readonly number[]
  /** Seconds that are left of the message's life. */
  expirySeconds: number | undefined
  alias?: Alias | undefined
}

export interface Frame {
  bytes: Buffer
  /** Where the packet id stands; -1 at QoS 0. */
  idOffset: number
}

/** A PUBLISH, its packet id still 0. [MQTT-3.3] */
export function encodePublish({ topic: name, payload, properties }: Message, shape: Shape): Frame {
  // [MQTT-3.3.2-12]: what is known by its alias goes without its name.
  const topic = shape.alias?.isKnown ? '' : name
  const { version, qos, retain, dup } = shape
  const fields = version === 5 ? encodeProperties(properties, shape) : undefined
  const topicBytes = Buffer.byteLength(topic)
  const idBytes = qos > 0 ? 2 : 0
  const fieldBytes = fields ? variableBytes(fields.length) + fields.length : 0
  const remaining = 2 + topicBytes + idBytes + fieldBytes + payload.length
  const bytes = Buffer.allocUnsafe(1 + variableBytes(remaining) + remaining)
  bytes[0] = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  let at = writeVariable(bytes, remaining, 1)
  at = bytes.writeUInt16BE(topicBytes, at)
  at += bytes.write(topic, at)
  const idOffset = qos > 0 ? at : -1
  if (qos > 0) at = bytes.writeUInt16BE(0, at)
  if (fields) {
    at = writeVariable(bytes, fields.length, at)
    at += fields.copy(bytes, at)
  }
  payload.copy(bytes, at)
  return { bytes, idOffset }
}

const nothing = Buffer.alloc(0)

function encodeProperties(properties: Properties | undefined, { identifiers, expirySeconds, alias }: Shape): Buffer {
  if (!properties && identifiers.length === 0 && expirySeconds === undefined && !alias) return nothing
  const parts: Buffer[] = []
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties ?? {}
  if (payloadFormatIndicator !== undefined) parts.push(Buffer.from([0x01, payloadFormatIndicator ? 1 : 0]))
  if (expirySeconds !== undefined) {
    const expiry = Buffer.from([0x02, 0, 0, 0, 0])
    expiry.writeUInt32BE(expirySeconds, 1)
    parts.push(expiry)
  }
  if (contentType !== undefined) parts.push(text(0x03, contentType))
  if (responseTopic !== undefined) parts.push(text(0x08, responseTopic))
  if (correlationData !== undefined) parts.push(binary(0x09, Buffer.from(correlationData)))
  if (alias) parts.push(Buffer.from([0x23, alias.id >> 8, alias.id & 0xff]))
  for (const identifier of identifiers) {
    const coded = Buffer.alloc(1 + variableBytes(identifier), 0x0b)
    writeVariable(coded, identifier, 1)
    parts.push(coded)
  }
  for (const [name, value] of pairsOf(userProperties)) {
    parts.push(text(0x26, name), binary(undefined, Buffer.from(value)))
  }
  return Buffer.concat(parts)
}

function pairsOf(properties: Properties['userProperties']): readonly (readonly [string, string])[] {
  if (!properties) return []
  if (Array.isArray(properties)) return properties
  return Object.entries(properties as Record<string, string | readonly string[]>).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  )
}

const text = (id: number, value: string) => binary(id, Buffer.from(value))

function binary(id: number | undefined, value: Buffer): Buffer {
  const head = id === undefined ? [] : [id]
  return Buffer.concat([Buffer.from([...head, value.length >> 8, value.length & 0xff]), value])
}

function variableBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4
}

/** Answers the offset after it. [MQTT-1.5.5-1] */
function writeVariable(bytes: Buffer, value: number, offset: number): number {
  let rest = value
  let at = offset
  do {
    const low = rest & 0x7f
    rest >>>= 7
    bytes[at++] = rest > 0 ? low | 0x80 : low
  } while (rest > 0)
  return at
}
