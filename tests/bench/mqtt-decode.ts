/**
 * Nanoseconds a packet takes in the broker's strict decoder and in mqtt-packet's parser, on the packets of the hot path.
 * `node tests/bench/mqtt-decode.ts` — one process, no sockets, some seconds; only the ratios mean something elsewhere.
 */

import { generate, type Packet, parser } from 'mqtt-packet'
import { Decoder } from '../../packages/broker/src/mqtt/guard/decoder.ts'

const topic = 'fleets/default/devices/sensor-0001/telemetry/temperature'
const publish = { cmd: 'publish', topic, payload: Buffer.alloc(100, 'x'), dup: false, retain: false } as const
const properties = { messageExpiryInterval: 60, contentType: 'application/json' }
const cases: [string, 4 | 5, Packet][] = [
  ['PUBLISH QoS 0, 100 B', 4, { ...publish, qos: 0 }],
  ['PUBLISH QoS 1, 100 B', 4, { ...publish, qos: 1, messageId: 7 }],
  ['PUBLISH QoS 1, 100 B', 5, { ...publish, qos: 1, messageId: 7 }],
  ['PUBLISH QoS 1, two properties', 5, { ...publish, qos: 1, messageId: 7, properties }],
  ['PUBACK', 4, { cmd: 'puback', messageId: 7 }],
  ['PUBACK', 5, { cmd: 'puback', messageId: 7, reasonCode: 0 }],
  ['PINGREQ', 4, { cmd: 'pingreq' }],
  [
    'SUBSCRIBE',
    5,
    { cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'fleets/default/devices/a/commands/#', qos: 1 }] },
  ],
]
const connect = (protocolVersion: 4 | 5) =>
  generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion, clean: true, keepalive: 0, clientId: 'a' })

/** As a TLS record has them: many in one piece. */
const perChunk = 64
const chunks = 2_000

function timeOurs(version: 4 | 5, chunk: Buffer): number {
  const decoder = new Decoder(1_048_576)
  decoder.push(connect(version))
  decoder.next()
  let found = 0
  const begun = performance.now()
  for (let count = 0; count < chunks; count++) {
    decoder.push(chunk)
    while (decoder.next()) found++
  }
  if (found !== chunks * perChunk) throw new Error(`${found} packets`)
  return ((performance.now() - begun) * 1e6) / found
}

function timeTheirs(version: 4 | 5, chunk: Buffer): number {
  const reader = parser({ protocolVersion: version })
  let found = 0
  reader.on('packet', () => {
    found++
  })
  reader.on('error', (error) => {
    throw error
  })
  reader.parse(connect(version))
  found = 0
  const begun = performance.now()
  for (let count = 0; count < chunks; count++) reader.parse(chunk)
  if (found !== chunks * perChunk) throw new Error(`${found} packets`)
  return ((performance.now() - begun) * 1e6) / found
}

const median = (times: number[]) => times.sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0
console.log(`${'packet'.padEnd(34)} ${'decoder'.padStart(10)} ${'mqtt-packet'.padStart(12)} ${'ratio'.padStart(7)}`)
for (const [name, version, packet] of cases) {
  const bytes = generate(packet, { protocolVersion: version })
  const chunk = Buffer.concat(Array.from({ length: perChunk }, () => bytes))
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < 9; round++) {
    ours.push(timeOurs(version, chunk))
    theirs.push(timeTheirs(version, chunk))
  }
  const [our, their] = [median(ours), median(theirs)]
  const figures = [
    `${our.toFixed(0)} ns`.padStart(10),
    `${their.toFixed(0)} ns`.padStart(12),
    `${(their / our).toFixed(1)} x`.padStart(7),
  ]
  console.log(`${`${name}, MQTT ${version === 4 ? '3.1.1' : '5'}`.padEnd(34)} ${figures.join(' ')}`)
}
