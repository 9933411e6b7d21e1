import { ByteSize, Name } from '@muster/contracts'
import { z } from 'zod'
import { Fault } from './fault.ts'
import { Share, Time } from './units.ts'

export const keyAlgorithms = ['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072'] as const
const KeyAlgorithm = z.enum(keyAlgorithms)

/** One of them, or a mix by weight: `{p256: 8, rsa2048: 2}`. */
const mixOf = <Key extends z.ZodType<string>>(key: Key) => z.union([key, z.partialRecord(key, z.number().positive())])

/** All carry the number of the message in its stream, `n`, from 1 on. */
const Payload = z.discriminatedUnion('shape', [
  /** Temperature, humidity and battery that walk at random. */
  z.strictObject({ shape: z.literal('environment') }),
  /** A vehicle on its way: latitude, longitude, speed, heading. */
  z.strictObject({ shape: z.literal('position') }),
  /** A counter that only grows, like energy or water. */
  z.strictObject({ shape: z.literal('meter') }),
  /** A text of so many bytes in all, or between two sizes. */
  z.strictObject({ shape: z.literal('bytes'), size: z.union([ByteSize, z.tuple([ByteSize, ByteSize])]) }),
])
export type Payload = z.output<typeof Payload>

const Stream = z.strictObject({
  /** Below `fleets/<fleet>/devices/<device>/`. */
  topic: z.string().min(1).max(200).default('telemetry/environment'),
  every: Time,
  /** Of `every`, to both sides. */
  jitter: Share.default(0.1),
  payload: Payload.prefault({ shape: 'environment' }),
  qos: mixOf(z.enum(['0', '1', '2'])).default('1'),
})
export type Stream = z.output<typeof Stream>

/** What lies between the device and the platform. TCP hides a lost packet: what is left of it is a pause. */
const Network = z.strictObject({
  /** One way. */
  latency: Time.optional(),
  jitter: Time.optional(),
  /** Of the packets (1,400 bytes): each costs a retransmission timeout, doubled where it is lost again. */
  loss: Share.optional(),
  /** Bytes a second, each way. */
  bandwidth: ByteSize.optional(),
  /** On average, one connection is cut without a word. */
  disconnectEvery: Time.optional(),
})
export type Network = z.output<typeof Network>

const Clock = z.strictObject({
  /** Against the truth, or drawn from between two; may be negative: `[-5m, 5m]`. */
  skew: z
    .tuple([z.string().regex(/^-?\d+(\.\d+)?(ms|s|m|h|d)$/), z.string().regex(/^-?\d+(\.\d+)?(ms|s|m|h|d)$/)])
    .optional(),
  /** Parts per million. */
  drift: z.number().min(-100_000).max(100_000).optional(),
  /** Every boot starts at this time: a device without a battery for its clock. */
  bootsAt: z.iso.datetime().optional(),
})
export type Clock = z.output<typeof Clock>

/** Devices of one kind. They are named `<prefix>-<class>-00001` and up. */
export const DeviceClass = z.strictObject({
  count: z.int().min(1).max(1_000_000),
  group: Name.default('default'),
  /** `fleet`: one claim for all, each names itself; `each`: one claim a device, which names it. */
  claim: z.enum(['fleet', 'each']).default('fleet'),
  keys: mixOf(KeyAlgorithm).default('p256'),
  /** `device`: made when the device boots; `pool`: made ahead, where making keys is not what is measured. */
  keygen: z.enum(['device', 'pool']).default('pool'),
  models: z.array(z.string().min(1).max(60)).min(1).max(50).default(['th-100']),
  /** `thin`: cheap, for thousands; `sdk`: `connect` of @muster/device, which is mqtt.js. */
  client: z.enum(['thin', 'sdk']).default('thin'),
  mqtt: z
    .strictObject({
      version: z.union([z.literal(4), z.literal(5)]).default(5),
      keepAlive: Time.default(60_000),
      /** Zero: the session ends with the connection. */
      sessionExpiry: Time.default(0),
      /** Takes up the TLS session of the connection before. */
      resume: z.boolean().default(true),
    })
    .prefault({}),
  /** What a power cut leaves: all that was durable, or nothing. */
  store: z.enum(['flash', 'memory']).default('flash'),
  telemetry: z.array(Stream).max(20).default([]),
  /** Whether it subscribes to all its policy grants, and answers commands. */
  commands: z.enum(['answer', 'ignore', 'none']).default('answer'),
  network: Network.prefault({}),
  clock: Clock.prefault({}),
  faults: z.array(Fault).max(20).default([]),
})
export type DeviceClass = z.output<typeof DeviceClass>
