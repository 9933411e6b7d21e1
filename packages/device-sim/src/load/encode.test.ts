import { type Packet, parser } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { createPublishTemplate, encodeConnect, encodePuback, encodeSubscribe, type Version } from './encode.ts'

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
    expect(decode(encodeSubscribe(513, 'a/+/#', 1, version), version)).toMatchObject([
      { cmd: 'subscribe', messageId: 513, subscriptions: [{ topic: 'a/+/#', qos: 1 }] },
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

test('PUBACK', () => {
  expect(decode(encodePuback(40_000), 4)).toMatchObject([{ cmd: 'puback', messageId: 40_000 }])
})
