import { reasonCodes } from '../reason-codes.ts'
import { decodeAcknowledge, decodeDisconnect } from './acknowledge.ts'
import { decodeConnect } from './connect.ts'
import { decodeSubscribe, decodeUnsubscribe } from './filters.ts'
import type { ClientPacket, PublishPacket, Qos } from './packets.ts'
import { holders, readProperties } from './properties.ts'
import { Reader } from './reader.ts'
import { requireTopicName } from './topics.ts'
import { malformed, protocolError, Violation } from './violation.ts'

const empty: Buffer = Buffer.alloc(0)

/** The lower four bits that the fixed header of each type must have; PUBLISH has its own. [MQTT-2.1.3-1] */
const headerFlags = [0, 0, 0, -1, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0]

/**
 * Takes a connection's bytes as they come and gives out the packets of a client, each of which keeps to the standard.
 * Whoever pulls with `next` may stop at any packet; the rest waits here.
 */
export class Decoder {
  /** Of the CONNECT, before which nothing else may come. [MQTT-3.1.0-1] */
  version: 4 | 5 | undefined
  maxBytes: number
  readonly #reader = new Reader()
  #bytes = empty
  #at = 0
  #end = 0
  /** Whether `#bytes` was allocated here, and may be added to. */
  #isOwn = false
  #keepsSession = true
  /** The topic that came last, where it is ASCII: most clients send to few. */
  #topic = ''

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Bytes that wait for `next`, or for the rest of their packet. */
  get pending(): number {
    return this.#end - this.#at
  }

  /** Bytes held for it. */
  get capacity(): number {
    return this.#bytes.length
  }

  push(chunk: Buffer): void {
    const left = this.#end - this.#at
    if (left === 0) {
      this.#bytes = chunk
      this.#at = 0
      this.#end = chunk.length
      this.#isOwn = false
      return
    }
    const needed = left + chunk.length
    if (this.#bytes.length - this.#end < chunk.length || !this.#isOwn) {
      // Doubled, so that a client that sends byte by byte costs no more than twice what it has sent.
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * needed, this.maxBytes + 5)))
      this.#bytes.copy(grown, 0, this.#at, this.#end)
      this.#bytes = grown
      this.#isOwn = true
      this.#at = 0
      this.#end = left
    }
    chunk.copy(this.#bytes, this.#end)
    this.#end += chunk.length
  }

  /** The next packet that is there as a whole. @throws Violation and then there is nothing more to be had */
  next(): ClientPacket | undefined {
    const bytes = this.#bytes
    const at = this.#at
    if (this.#end - at < 2) return undefined
    const first = bytes[at] as number
    this.#requireHeader(first)
    let length = bytes[at + 1] as number
    let body = at + 2
    if (length & 0x80) {
      const bytesOfLength = this.#measureLength(at + 1)
      if (bytesOfLength === 0) return undefined
      length = readLength(bytes, at + 1, bytesOfLength)
      body = at + 1 + bytesOfLength
    }
    const end = body + length
    // Before any of it is buffered. [MQTT-3.1.2-24]
    if (end - at > this.maxBytes)
      throw new Violation(reasonCodes.packetTooLarge, `a packet above ${this.maxBytes} bytes`)
    if (end > this.#end) return undefined
    const reader = this.#reader
    reader.bytes = bytes
    reader.at = body
    reader.end = end
    const packet = first >> 4 === 3 ? this.#decodePublish(first, length) : this.#decodeOther(first >> 4, length)
    if (end === this.#end) this.#release()
    else this.#at = end
    return packet
  }

  /** Of a chunk nothing is kept once it has been read. */
  #release(): void {
    this.#bytes = empty
    this.#reader.bytes = empty
    this.#at = 0
    this.#end = 0
  }

  #requireHeader(first: number): void {
    const type = first >> 4
    if (this.version === undefined && type !== 1) throw protocolError('the first packet is not CONNECT')
    const flags = headerFlags[type] as number
    // [MQTT-2.2.2-2] of MQTT 3.1.1
    if (flags >= 0 && (first & 0x0f) !== flags) throw malformed('reserved flags of a packet are not as they must be')
  }

  /** The bytes of the length field; 0 while it is not there as a whole. [MQTT-1.5.5-1] */
  #measureLength(from: number): number {
    for (let count = 1; count <= 4; count++) {
      if (from + count > this.#end) return 0
      const byte = this.#bytes[from + count - 1] as number
      if (byte & 0x80) continue
      if (byte === 0 && count > 1 && this.version === 5) throw malformed('the length is in more bytes than it need be')
      return count
    }
    throw malformed('the length has more than four bytes')
  }

  #decodePublish(first: number, length: number): PublishPacket {
    const reader = this.#reader
    const qos = ((first >> 1) & 0x03) as Qos
    const dup = (first & 0x08) !== 0
    // [MQTT-3.3.1-4]
    if ((first & 0x06) === 0x06) throw malformed('the QoS of PUBLISH is 3')
    // [MQTT-3.3.1-2]
    if (dup && qos === 0) throw malformed('DUP is set at QoS 0')
    const topic = this.#readTopic()
    const messageId = qos === 0 ? undefined : reader.packetId()
    const properties = this.version === 5 ? readProperties(reader, holders.publish) : undefined
    if (topic === '' && (this.version === 4 || properties?.topicAlias === undefined))
      throw protocolError('PUBLISH without a topic')
    const payload = reader.rest()
    return { cmd: 'publish', topic, payload, qos, retain: (first & 1) === 1, dup, messageId, properties, length }
  }

  #readTopic(): string {
    const reader = this.#reader
    const { at, bytes } = reader
    const known = this.#topic
    const { length } = known
    if (
      length > 0 &&
      at + 2 + length <= reader.end &&
      (((bytes[at] as number) << 8) | (bytes[at + 1] as number)) === length
    ) {
      let same = 0
      while (same < length && known.charCodeAt(same) === bytes[at + 2 + same]) same++
      if (same === length) {
        reader.at = at + 2 + length
        return known
      }
    }
    const topic = reader.text()
    if (topic === '') return topic
    requireTopicName(topic, 'the topic')
    // As many characters as bytes: each is its own byte.
    if (topic.length === reader.at - at - 2) this.#topic = topic
    return topic
  }

  #decodeOther(type: number, length: number): ClientPacket {
    const reader = this.#reader
    if (type === 1) return this.#decodeConnect(length)
    const version = this.version as 4 | 5
    switch (type) {
      case 4:
        return decodeAcknowledge(reader, length, 'puback', version)
      case 5:
        return decodeAcknowledge(reader, length, 'pubrec', version)
      case 6:
        return decodeAcknowledge(reader, length, 'pubrel', version)
      case 7:
        return decodeAcknowledge(reader, length, 'pubcomp', version)
      case 8:
        return decodeSubscribe(reader, length, version)
      case 10:
        return decodeUnsubscribe(reader, length, version)
      case 12:
        if (length !== 0) throw malformed('PINGREQ has a body')
        return { cmd: 'pingreq', length }
      case 14:
        return decodeDisconnect(reader, length, { version, keepsSession: this.#keepsSession })
      case 15:
        // No method of authentication is agreed on, ever. [MQTT-4.12.0-1]
        throw version === 5
          ? protocolError('AUTH without an authentication method')
          : malformed('there is no packet type 15')
      case 0:
        throw malformed('there is no packet type 0')
      default:
        throw protocolError('a packet that only a server sends')
    }
  }

  #decodeConnect(length: number): ClientPacket {
    // [MQTT-3.1.0-2]
    if (this.version !== undefined) throw protocolError('a second CONNECT')
    const packet = decodeConnect(this.#reader, length)
    this.version = packet.protocolVersion
    this.#measureLength(this.#at + 1)
    this.#keepsSession = packet.protocolVersion === 4 || (packet.properties?.sessionExpiryInterval ?? 0) > 0
    return packet
  }
}

function readLength(bytes: Buffer, from: number, count: number): number {
  let length = 0
  for (let index = count - 1; index >= 0; index--) length = length * 128 + ((bytes[from + index] as number) & 0x7f)
  return length
}
