import { type Packet, parser } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import {
  createPublishTemplate,
  encodeAnswer,
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  type Version,
} from './encode.ts'

/** What another codec makes of it. */
function decode(bytes: Buffer, protocolVersion: Version): Packet[] {
  const packets: Packet[] = []
  const reading = parser({ protocolVersion })
  reading.on('packet', (packet) => packets.push(packet))
  reading.on('error', (error) => {
    throw error
  })
  reading.parse(bytes)
  return packets
}

describe.each([4, 5] as const)('protocol level %i', (version) => {
  test('CONNECT', () => {
    const [packet] = decode(encodeConnect({ clientId: 'pump-7', version, clean: true, keepAliveSeconds: 300 }), version)
    expect(packet).toMatchObject({
      ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version },
      ...{ clientId: 'pump-7', clean: true, keepalive: 300 },
    })
  })

  test('SUBSCRIBE', () => {
    expect(decode(encodeSubscribe(513, ['a/+/#', 'b'], 1, version), version)).toMatchObject([
      {
        cmd: 'subscribe',
        messageId: 513,
        subscriptions: [
          { topic: 'a/+/#', qos: 1 },
          { topic: 'b', qos: 1 },
        ],
      },
    ])
  })

  test.each([0, 100, 200, 20_000])(
    'many PUBLISH packets of %i bytes are one piece, each with its packet id',
    (size) => {
      const payload = Buffer.alloc(size, 'y')
      const { encode } = createPublishTemplate({ topic: 'a/b', payload, qos: 1, version })
      const packets = decode(encode([1, 300, 65_535]), version)
      expect(packets.map(({ messageId }) => messageId)).toEqual([1, 300, 65_535])
      for (const packet of packets) expect(packet).toMatchObject({ cmd: 'publish', topic: 'a/b', qos: 1, payload })
    },
  )

  test('PUBLISH with QoS 0', () => {
    const payload = Buffer.from('z')
    const { encode } = createPublishTemplate({ topic: 'a', payload, qos: 0, version })
    expect(decode(encode([0, 0]), version)).toMatchObject([
      { qos: 0, payload },
      { qos: 0, payload },
    ])
  })
})

test('CONNECT with a session that outlives its connection (MQTT 5)', () => {
  const settings = { clientId: '', version: 5, clean: false, keepAliveSeconds: 0, sessionExpirySeconds: 3_600 } as const
  expect(decode(encodeConnect(settings), 5)).toMatchObject([
    { clean: false, properties: { sessionExpiryInterval: 3_600 } },
  ])
})

test.each(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const)('%s', (cmd) => {
  expect(decode(encodeAnswer(cmd, 40_000), 4)).toMatchObject([{ cmd, messageId: 40_000 }])
})

describe.each([4, 5] as const)('protocol level %i', (version) => {
  test('PUBLISH that is sent again', () => {
    const message = { topic: 'a/b', payload: Buffer.from('p'), qos: 2, version, messageId: 7 } as const
    const packets = decode(
      Buffer.concat([encodePublish({ ...message, dup: false }), encodePublish({ ...message, dup: true })]),
      version,
    )
    expect(packets).toMatchObject([
      { topic: 'a/b', qos: 2, messageId: 7, dup: false },
      { topic: 'a/b', qos: 2, messageId: 7, dup: true },
    ])
  })

  test('CONNECT with a will', () => {
    const will = { topic: 'a/gone', payload: Buffer.from('bye'), qos: 1, retain: true } as const
    const packet = encodeConnect({ clientId: 'x', version, clean: false, keepAliveSeconds: 9, will })
    expect(decode(packet, version)).toMatchObject([{ clean: false, will }])
  })
})
