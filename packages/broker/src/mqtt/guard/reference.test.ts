import fc from 'fast-check'
import { generate, type Packet, parser } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { Decoder } from './decoder.ts'

/** Whatever is valid, in any pieces, decodes to what mqtt-packet makes of it. */

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => text.replace(/[+#/\0$]/g, '_'))
const topic = fc.array(word, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.oneof(word, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, all]) => [...levels, ...(all ? ['#'] : [])].join('/'))
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const id = fc.integer({ min: 1, max: 65_535 })
const uint32 = fc.nat(0xffff_ffff)
const qos = fc.constantFrom(0, 1, 2)
// One value a name: of several, mqtt-packet does not keep the order.
const userProperties = fc.dictionary(word, word, { minKeys: 1, maxKeys: 3 })
const optional = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(shape, { requiredKeys: [] })
const message = {
  payloadFormatIndicator: fc.constant(false),
  messageExpiryInterval: uint32,
  contentType: word,
  responseTopic: topic,
  correlationData: bytes(20),
  userProperties,
}
const publish = fc
  .record({ topic, payload: bytes(400), qos, dup: fc.boolean(), retain: fc.boolean(), messageId: id })
  .map((packet) => ({
    ...packet,
    cmd: 'publish',
    ...(packet.qos === 0 ? { dup: false, messageId: undefined } : {}),
  }))
const withProperties = (packet: fc.Arbitrary<object>, properties: fc.Arbitrary<object>) =>
  fc.tuple(packet, properties).map(([one, found]) => ({ ...one, properties: found }))
const acknowledgement = fc.record({ cmd: fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp'), messageId: id })
const subscription = fc.record({ topic: filter, qos })
const subscription5 = fc.record({
  topic: filter,
  qos,
  nl: fc.boolean(),
  rap: fc.boolean(),
  rh: fc.constantFrom(0, 1, 2),
})
const subscribe = (one: fc.Arbitrary<object>) =>
  fc.record({
    cmd: fc.constant('subscribe'),
    messageId: id,
    subscriptions: fc.array(one, { minLength: 1, maxLength: 4 }),
  })
const unsubscribe = fc.record({
  cmd: fc.constant('unsubscribe'),
  messageId: id,
  unsubscriptions: fc.array(filter, { minLength: 1, maxLength: 4 }),
})
const ping = fc.constant({ cmd: 'pingreq' })
const reasons = optional({ reasonString: word, userProperties })

const packets4: fc.Arbitrary<object> = fc.oneof(publish, acknowledgement, subscribe(subscription), unsubscribe, ping)
const packets5: fc.Arbitrary<object> = fc.oneof(
  withProperties(publish, optional({ ...message, topicAlias: id })),
  acknowledgement,
  withProperties(
    acknowledgement.map((packet) => ({ ...packet, reasonCode: 0 })),
    reasons,
  ),
  withProperties(
    subscribe(subscription5),
    optional({ subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }), userProperties }),
  ),
  withProperties(unsubscribe, optional({ userProperties })),
  ping,
)
const connect = (protocolVersion: 4 | 5) => {
  const five = protocolVersion === 5
  const will = fc.record({ topic, payload: bytes(50), qos, retain: fc.boolean() })
  const plain = fc.record(
    {
      ...{
        cmd: fc.constant('connect'),
        protocolId: fc.constant('MQTT'),
        protocolVersion: fc.constant(protocolVersion),
      },
      ...{ clean: fc.constant(true), keepalive: fc.nat(65_535), clientId: word },
      will: five ? withProperties(will, optional({ ...message, willDelayInterval: uint32 })) : will,
    },
    { requiredKeys: ['cmd', 'protocolId', 'protocolVersion', 'clean', 'keepalive', 'clientId'] },
  )
  const named = fc
    .tuple(
      plain,
      fc.option(
        fc.tuple(
          word,
          bytes(20).filter((secret) => secret.length > 0),
        ),
      ),
    )
    .map(([packet, login]) => ({ ...packet, ...(login ? { username: login[0], password: login[1] } : {}) }))
  if (!five) return named
  return withProperties(
    named,
    optional({
      ...{
        sessionExpiryInterval: uint32,
        receiveMaximum: id,
        maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
      },
      ...{
        topicAliasMaximum: fc.nat(65_535),
        requestResponseInformation: fc.boolean(),
        requestProblemInformation: fc.boolean(),
      },
      userProperties,
    }),
  )
}
const stream = (version: 4 | 5) =>
  fc
    .tuple(connect(version), fc.array(version === 5 ? packets5 : packets4, { maxLength: 8 }))
    .map(([first, others]) => [first, ...others])

function split(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((one, other) => one - other)
  return [0, ...at].map((from, index) => whole.subarray(from, at[index] ?? whole.length))
}

function byReference(whole: Buffer, protocolVersion: 4 | 5): object[] {
  const found: object[] = []
  const reader = parser({ protocolVersion })
  reader.on('packet', (packet) => found.push(packet))
  reader.on('error', (error) => {
    throw error
  })
  reader.parse(whole)
  return found
}

/** What the two write differently though they mean the same: user properties, and fields without a value. */
function plain(value: unknown, name = ''): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex')
  if (name === 'userProperties') {
    const pairs = Array.isArray(value) ? value : Object.entries(value as object)
    return Object.fromEntries(pairs)
  }
  if (Array.isArray(value)) return value.map((one) => plain(one))
  if (typeof value !== 'object' || value === null) return value
  const isPublish = (value as Packet).cmd === 'publish'
  const header = isPublish ? [] : ['qos', 'dup', 'retain', 'topic', 'payload']
  const has = (key: string, one: unknown) =>
    one !== undefined &&
    one !== null &&
    !('cmd' in value && header.includes(key)) &&
    !(key === 'reasonCode' && one === 0)
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, one]) => has(key, one))
      .map(([key, one]) => [key, plain(one, key)]),
  )
}

test.each([4, 5] as const)('MQTT %s', (version) => {
  fc.assert(
    fc.property(stream(version), fc.array(fc.nat(5_000), { maxLength: 12 }), (packets, cuts) => {
      const whole = Buffer.concat(packets.map((packet) => generate(packet as Packet, { protocolVersion: version })))
      const decoder = new Decoder(100_000)
      const found: unknown[] = []
      for (const chunk of split(whole, cuts)) {
        decoder.push(chunk)
        for (let packet = decoder.next(); packet; packet = decoder.next()) found.push(plain(packet))
      }
      expect(found).toEqual(byReference(whole, version).map((packet) => plain(packet)))
      expect(decoder.pending).toBe(0)
    }),
    { numRuns: 300 },
  )
})
