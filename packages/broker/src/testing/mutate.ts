import { generate, type IConnectPacket, type Packet } from 'mqtt-packet'

export interface Dice {
  /** A whole number below `limit`. */
  roll(limit: number): number
  pick<T>(of: readonly T[]): T
}

/** The same numbers for the same seed (mulberry32). */
export function createDice(seed: number): Dice {
  let state = seed >>> 0
  const roll = (limit: number) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
  return { roll, pick: (of) => of[roll(of.length)] as (typeof of)[number] }
}

/** Says each tenth of a long run; in a short one nothing. */
export function createProgress(what: string, wanted: number): (done: number) => void {
  const begun = performance.now()
  let said = 0
  return (done) => {
    const tenths = Math.min(10, Math.floor((10 * done) / wanted))
    if (wanted < 1_000 || tenths <= said) return
    said = tenths
    console.log(`${what}: ${done} of ${wanted} after ${Math.round((performance.now() - begun) / 1_000)} s`)
  }
}

const foreign = [
  '#',
  '+/#',
  '$SYS/#',
  '$SYS/x/new/clients',
  '$share/g/#',
  '__proto__',
  'fleets/#',
  'fleets/+/devices/+/commands/#',
]
const names = ['x', '__proto__', 'constructor', 'hasOwnProperty']

/** Packets as a client would send them, on topics that it may use and on those that it may not. */
export function createPackets(dice: Dice, protocolVersion: 4 | 5, own: string, victim: string) {
  const topics = [`${own}/telemetry`, `${own}/events/a`, `${victim}/commands/secret`, `${victim}/telemetry`, ...foreign]
  const filters = [`${own}/commands/#`, `${victim}/commands/#`, `${own}/+/#`, ...foreign]
  const topic = () => dice.pick(topics).replace(/[+#]/g, 'a')
  const id = () => 1 + dice.roll(40)
  const payload = () => Buffer.alloc(dice.roll(60), 'p')
  const userProperties = () => ({ [dice.pick(names)]: dice.pick(names) })
  const five = <T>(properties: () => T) => (protocolVersion === 5 && dice.roll(2) ? { properties: properties() } : {})
  const message = () => ({
    messageExpiryInterval: dice.roll(100),
    contentType: 'c',
    responseTopic: topic(),
    userProperties: userProperties(),
  })
  const make: (() => Packet)[] = [
    () => {
      const qos = dice.pick([0, 1, 2] as const)
      const dup = qos > 0 && dice.roll(2) === 1
      return {
        cmd: 'publish',
        topic: topic(),
        payload: payload(),
        qos,
        messageId: id(),
        dup,
        retain: dice.roll(3) === 0,
        ...five(message),
      }
    },
    () => ({
      cmd: 'publish',
      topic: `${own}/telemetry`,
      payload: payload(),
      qos: 1,
      messageId: id(),
      dup: false,
      retain: false,
    }),
    () => ({
      cmd: 'subscribe',
      messageId: id(),
      subscriptions: [
        { topic: dice.pick(filters), qos: dice.pick([0, 1, 2] as const) },
        { topic: dice.pick(filters), qos: 1 },
      ],
    }),
    () => ({ cmd: 'unsubscribe', messageId: id(), unsubscriptions: [dice.pick(filters)] }),
    () => ({
      cmd: dice.pick(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const),
      messageId: id(),
      ...(protocolVersion === 5 ? { reasonCode: 0 } : {}),
    }),
    () => ({ cmd: 'pingreq' }),
    () => ({ cmd: 'disconnect', ...(protocolVersion === 5 ? { reasonCode: dice.pick([0, 4]) } : {}) }),
    () => ({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 }),
    () => ({ cmd: 'suback', messageId: id(), granted: [0] }),
  ]
  return {
    connect(clientId: string): Buffer {
      const will = {
        topic: topic(),
        payload: payload(),
        qos: dice.pick([0, 1, 2] as const),
        retain: dice.roll(4) === 0,
      }
      const hello: IConnectPacket = {
        ...{
          cmd: 'connect',
          protocolId: 'MQTT',
          protocolVersion,
          clean: clientId === '' || dice.roll(2) === 0,
          keepalive: dice.roll(100),
          clientId,
        },
        ...(dice.roll(4) === 0 ? { will } : {}),
        ...five(() => ({
          sessionExpiryInterval: dice.roll(1_000),
          receiveMaximum: 1 + dice.roll(20),
          topicAliasMaximum: dice.roll(10),
        })),
      }
      return generate(hello)
    },
    next: () => generate(dice.pick(make)(), { protocolVersion }),
  }
}

type Mutation = (bytes: Buffer, dice: Dice, other: Buffer) => Buffer

const mutations: Mutation[] = [
  // Bits.
  (bytes, dice) => {
    const changed = Buffer.from(bytes)
    for (let count = 1 + dice.roll(4); count > 0; count--) {
      const at = dice.roll(changed.length)
      changed[at] = (changed[at] as number) ^ (1 << dice.roll(8))
    }
    return changed
  },
  // A lie about the length, of the packet or of something in it.
  (bytes, dice) => {
    const changed = Buffer.from(bytes)
    changed[1 + dice.roll(Math.min(12, changed.length - 1))] = dice.pick([0, 1, 2, 0x7f, 0x80, 0xff, dice.roll(256)])
    return changed
  },
  (bytes, dice) => bytes.subarray(0, dice.roll(bytes.length)),
  (bytes, dice, other) =>
    Buffer.concat([bytes.subarray(0, dice.roll(bytes.length)), other.subarray(dice.roll(other.length))]),
  // Properties, or what looks like them, in the middle; with a length that fits.
  (bytes, dice) => {
    const property = dice.pick([
      '0101',
      '0b00',
      '2300ff',
      '1100000001',
      '210000',
      '26000161000162',
      '1f000161',
      '7e00',
      '12000161',
    ])
    const list = Buffer.from(property.repeat(1 + dice.roll(3)), 'hex')
    const at = Math.min(bytes.length, 2 + dice.roll(bytes.length))
    const changed = Buffer.concat([bytes.subarray(0, at), Buffer.of(list.length), list, bytes.subarray(at)])
    if (changed.length < 130) changed[1] = changed.length - 2
    return changed
  },
  (bytes, dice) => Buffer.concat([Buffer.of(dice.roll(256)), bytes.subarray(1)]),
  (_, dice) => Buffer.from(Array.from({ length: 1 + dice.roll(40) }, () => dice.roll(256))),
]

export function mutate(bytes: Buffer, dice: Dice, other: Buffer): Buffer {
  return dice.pick(mutations)(bytes, dice, other)
}

/** In pieces, as a network might have it. */
export function split(whole: Buffer, dice: Dice): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < whole.length; ) {
    const to = at + 1 + dice.roll(200)
    pieces.push(whole.subarray(at, to))
    at = to
  }
  return pieces
}
