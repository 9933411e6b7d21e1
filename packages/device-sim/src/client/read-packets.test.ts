import { generate, type IPublishPacket } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { type Message, packetTypes, readMessage, readPackets } from './read-packets.ts'

const publish = { cmd: 'publish', dup: false, retain: false } as const
const messages: IPublishPacket[] = [
  { ...publish, topic: 'a/b', payload: Buffer.from('small'), qos: 1, messageId: 7 },
  { ...publish, topic: 'a', payload: Buffer.alloc(0), qos: 0 },
  { ...publish, topic: 'long/er', payload: Buffer.alloc(300, 'x'), qos: 1, messageId: 65_535 },
]

function readAll(pieces: Iterable<Buffer>, version: 4 | 5) {
  const types: number[] = []
  const read: Message[] = []
  const reader = readPackets((type, flags, bytes, start, end) => {
    types.push(type)
    if (type === packetTypes.publish) read.push(readMessage(flags, bytes, start, end, version))
  })
  for (const piece of pieces) reader(piece)
  return { types, read }
}

describe.each([4, 5] as const)('protocol level %i', (version) => {
  const packets = [
    generate({ cmd: 'puback', messageId: 3, reasonCode: 0 }, { protocolVersion: version }),
    ...messages.map((message) => generate(message, { protocolVersion: version })),
    generate({ cmd: 'pingresp' }, { protocolVersion: version }),
  ]
  const stream = Buffer.concat(packets)
  const expected = messages.map(({ topic, payload, qos, messageId = 0 }) => ({ topic, payload, qos, messageId }))

  test.each([1, 2, 3, 5, 100, stream.length])('in pieces of %i bytes', (size) => {
    const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
      stream.subarray(index * size, (index + 1) * size),
    )
    const { types, read } = readAll(pieces, version)
    expect(types).toEqual([4, 3, 3, 3, 13])
    expect(read).toEqual(expected)
  })
})

test('properties of a message are passed over', () => {
  const properties = { userProperties: { origin: 'x'.repeat(200) }, messageExpiryInterval: 9 }
  const packet = { ...publish, topic: 't', payload: Buffer.from('p'), qos: 1, messageId: 2, properties } as const
  expect(readAll([generate(packet, { protocolVersion: 5 })], 5).read).toEqual([
    { topic: 't', payload: Buffer.from('p'), qos: 1, messageId: 2 },
  ])
})

test('a length of more than four bytes ends the stream', () => {
  expect(() => readAll([Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 1])], 4)).toThrow(/four bytes/)
})
