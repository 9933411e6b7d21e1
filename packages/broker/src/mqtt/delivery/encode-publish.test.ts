import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { encodePublish } from './encode-publish.ts'
import { FanOut, withPacketId } from './fan-out.ts'
import type { Message } from './message.ts'

const message = (changed: Partial<Message> = {}): Message => ({
  ...{ cmd: 'publish', topic: 'a/ä', payload: Buffer.from('body'), qos: 2, retain: false },
  ...{ brokerId: 'b', brokerCounter: 1 },
  ...changed,
})
const plain = { qos: 1, retain: false, dup: false, identifiers: [], expirySeconds: undefined } as const

function decode(bytes: Buffer, protocolVersion: 4 | 5): Packet[] {
  const packets: Packet[] = []
  const reader = parser({ protocolVersion })
  reader.on('packet', (packet) => packets.push(packet))
  reader.parse(bytes)
  return packets
}

describe('encodePublish', () => {
  test.each([0, 1, 127, 128, 16_383, 16_384, 300_000])('agrees with another encoder at %i bytes', (size) => {
    for (const version of [4, 5] as const)
      for (const [qos, retain, dup] of [
        [0, true, false],
        [1, false, true],
        [2, true, true],
      ] as const) {
        const payload = Buffer.alloc(size, 'x')
        const { bytes, idOffset } = encodePublish(message({ payload }), { ...plain, version, qos, retain, dup })
        if (qos > 0) bytes.writeUInt16BE(0x1234, idOffset)
        const packet = { cmd: 'publish', topic: 'a/ä', payload, qos, retain, dup, messageId: 0x1234 } as IPublishPacket
        expect(bytes.equals(generate(packet, { protocolVersion: version }))).toBe(true)
      }
  })

  test('all properties, user properties in their order, every subscription identifier', () => {
    const userProperties = [
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ] as const
    const properties = {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: 'r',
      correlationData: Buffer.from([0, 255]),
      userProperties,
      // What belongs to the publisher's connection, or is told anew.
      topicAlias: 3,
      messageExpiryInterval: 1,
    }
    const shape = { ...plain, version: 5, identifiers: [1, 268_435_455], expirySeconds: 4_000_000_000 } as const
    const { bytes } = encodePublish(message({ properties }), shape)
    expect(decode(bytes, 5)).toMatchObject([
      {
        payload: Buffer.from('body'),
        properties: {
          payloadFormatIndicator: true,
          messageExpiryInterval: 4_000_000_000,
          contentType: 'text/plain',
          responseTopic: 'r',
          correlationData: Buffer.from([0, 255]),
          subscriptionIdentifier: [1, 268_435_455],
        },
      },
    ])
    expect(decode(bytes, 5)[0]).not.toHaveProperty('properties.topicAlias')
    const wire = userProperties.map(([name, value]) =>
      Buffer.from([0x26, 0, 1, name.charCodeAt(0), 0, 1, value.charCodeAt(0)]),
    )
    expect(bytes.includes(Buffer.concat(wire))).toBe(true)
  })
})

describe('a fan-out', () => {
  const send = { version: 4, qos: 1, retain: false, dup: false, identifiers: [] } as const
  test('encodes once for each form, and patches the packet id in a copy', () => {
    const fanOut = new FanOut(message())
    const frame = fanOut.frame(send, 0)
    expect(fanOut.frame({ ...send }, 0)).toBe(frame)
    expect(fanOut.frame({ ...send, version: 5 }, 0)).not.toBe(frame)
    const [one, other] = [7, 0xfffe].map((id) => Buffer.concat(withPacketId(frame, id)))
    expect(decode(one ?? Buffer.alloc(0), 4)).toMatchObject([{ messageId: 7, topic: 'a/ä' }])
    expect(decode(other ?? Buffer.alloc(0), 4)).toMatchObject([{ messageId: 0xfffe }])
  })

  test('shares what comes after the packet id of a large message', () => {
    const payload = Buffer.alloc(100_000, 'x')
    const frame = new FanOut(message({ payload })).frame(send, 0)
    const [, shared] = withPacketId(frame, 1)
    expect(shared?.buffer).toBe(frame.bytes.buffer)
    expect(decode(Buffer.concat(withPacketId(frame, 1)), 4)).toMatchObject([{ payload }])
  })

  test('tells what is left of a message’s life, a second at least', () => {
    const fanOut = new FanOut(message({ messageExpiry: 10_000 }))
    const left = (now: number) => {
      const [packet] = decode(Buffer.concat(withPacketId(fanOut.frame({ ...send, version: 5 }, now), 1)), 5)
      return packet?.cmd === 'publish' ? packet.properties?.messageExpiryInterval : undefined
    }
    expect([left(0), left(8_500), left(9_999)]).toEqual([10, 2, 1])
    expect([fanOut.isExpired(9_999), fanOut.isExpired(10_000)]).toEqual([false, true])
  })
})
