import { ByteSize, Name } from '@muster/contracts'
import { z } from 'zod'
import { Fault } from './fault.ts'
import { Offset, Period, Share, Time } from './units.ts'

export const keyAlgorithms = ['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072'] as const
const KeyAlgorithm = z.enum(keyAlgorithms)

/** One of them, or a mix by weight: `{p256: 8, rsa2048: 2}`. */
const mixOf = <Key extends z.ZodType<string>>(key: Key) =>
  z.union([
    key,
    z
      .partialRecord(key, z.number().positive())
      .refine((mix) => Object.keys(mix).length > 0, 'must name at least one, with its weight'),
  ])

const PayloadSize = ByteSize.refine((bytes) => bytes >= 80, 'must be 80B or more: n, run and time take as much')

/** All carry the number of the message in its stream, `n`, from 1 on, and the run. */
const Payload = z.discriminatedUnion('shape', [
  z
    .strictObject({ shape: z.literal('environment') })
    .describe('Temperature, humidity and battery that walk at random.'),
  z
    .strictObject({ shape: z.literal('position') })
    .describe('A vehicle on its way: latitude, longitude, speed, heading.'),
  z.strictObject({ shape: z.literal('meter') }).describe('A counter that only grows, like energy or water.'),
  z
    .strictObject({ shape: z.literal('bytes'), size: z.union([PayloadSize, z.tuple([PayloadSize, PayloadSize])]) })
    .describe('A text of so many bytes in all, or between two sizes.'),
])
export type Payload = z.output<typeof Payload>

const Stream = z.strictObject({
  topic: z
    .string()
    .regex(/^[^+#/][^+#]{0,199}$/, 'must be a topic without + and #, and without a / at its beginning')
    .default('telemetry/environment')
    .describe('below fleets/<fleet>/devices/<device>/; the default policy grants telemetry/, events/ and state/'),
  every: Period.describe('one message'),
  jitter: Share.default(0.1).describe('of `every`, to both sides'),
  payload: Payload.prefault({ shape: 'environment' }),
  qos: mixOf(z.enum(['0', '1', '2']))
    .default('1')
    .describe("of the stream's messages, or a mix of the devices by weight"),
})
export type Stream = z.output<typeof Stream>

/** TCP hides a lost packet: what is left of it is a pause. */
const Network = z
  .strictObject({
    latency: Time.optional().describe('one way'),
    jitter: Time.optional().describe('at most so much more than `latency`'),
    loss: Share.optional().describe(
      'of the packets of 1,400 bytes: each costs a retransmission timeout, doubled where it is lost again',
    ),
    bandwidth: ByteSize.optional().describe('bytes a second, each way'),
    disconnectEvery: Period.optional().describe('on average, one connection is cut without a word'),
  })
  .describe('What lies between the device and the platform.')
export type Network = z.output<typeof Network>

const Clock = z
  .strictObject({
    skew: z
      .union([Offset, z.tuple([Offset, Offset])], 'must be a time like -5m, or two of them: [-5m, 5m]')
      .optional()
      .describe('against the truth; of two, something between them'),
    drift: z.number().min(-100_000).max(100_000).optional().describe('parts per million'),
    bootsAt: z.iso.datetime().optional().describe('every boot starts at this time: no battery for the clock'),
  })
  .describe("The device's own clock.")

const Mqtt = z.strictObject({
  version: z.union([z.literal(4), z.literal(5)]).default(5),
  keepAlive: Time.prefault('60s'),
  sessionExpiry: Time.prefault('0s').describe('0s: the session ends with the connection'),
  resume: z.boolean().default(true).describe('takes up the TLS session of the connection before'),
})

/** Devices of one kind. They are named `<prefix>-<class>-00001` and up. */
export const DeviceClass = z.strictObject({
  count: z.int().min(1).max(1_000_000),
  group: Name.default('default'),
  claim: z
    .enum(['fleet', 'each'])
    .default('fleet')
    .describe('fleet: one claim for all, each names itself; each: one claim a device, which names it'),
  keys: mixOf(KeyAlgorithm).default('p256').describe('one algorithm, or a mix of the devices by weight'),
  keygen: z
    .enum(['device', 'pool'])
    .default('pool')
    .describe('device: made when it boots; pool: made ahead, where making keys is not what is measured'),
  models: z
    .array(z.string().min(1).max(60))
    .min(1)
    .max(50)
    .default(['th-100'])
    .describe('told at enrolment; as many devices of each'),
  client: z
    .enum(['thin', 'sdk'])
    .default('thin')
    .describe('thin: cheap, for thousands; sdk: `connect` of @muster/device, which is mqtt.js'),
  mqtt: Mqtt.prefault({}),
  store: z
    .enum(['flash', 'memory'])
    .default('flash')
    .describe('what a power cut leaves: all that was durable, or nothing'),
  telemetry: z.array(Stream).max(20).default([]),
  commands: z
    .enum(['answer', 'ignore', 'none'])
    .default('answer')
    .describe('answers them; only subscribes to all its policy grants; does not subscribe'),
  network: Network.prefault({}),
  clock: Clock.prefault({}),
  faults: z
    .array(Fault)
    .max(20)
    .default([])
    .describe('they fall on different devices as long as their shares add up to 100% at most'),
})
export type DeviceClass = z.output<typeof DeviceClass>
