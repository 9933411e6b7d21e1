import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Conformance, startConformance } from './harness.ts'
import { connects, of4, of5, ofBoth } from './inbound-cases.ts'

let broker: Conformance
beforeAll(async () => {
  broker = await startConformance()
})
afterAll(() => broker[Symbol.asyncDispose]())

/** One device a version: its connections come one after the other. */
async function answerTo(version: 4 | 5, bytes: string) {
  const client = await broker.open(await broker.device(`strict-${version}`), version)
  client.socket.write(Buffer.from(bytes, 'hex'))
  await client.closed
  return client.received.filter(({ cmd }) => cmd !== 'connack')
}

describe.each([4, 5] as const)('MQTT %s ends the connection at', (version) => {
  test.each(ofBoth(version).map(({ rule, bytes, code }) => [rule, bytes, code] as const))(
    '%s',
    async (_, bytes, code) => {
      const answer = await answerTo(version, bytes)
      expect(answer).toMatchObject(version === 5 ? [{ cmd: 'disconnect', reasonCode: code }] : [])
    },
  )
})

test.each(of4.map(({ rule, bytes }) => [rule, bytes] as const))('MQTT 3.1.1: %s', async (_, bytes) => {
  expect(await answerTo(4, bytes)).toEqual([])
})

test.each(of5.map(({ rule, bytes, code }) => [rule, bytes, code] as const))('MQTT 5: %s', async (_, bytes, code) => {
  const reasonString = expect.stringMatching(/^(packet-malformed|protocol-error|request-too-large): ./)
  expect(await answerTo(5, bytes)).toMatchObject([
    { cmd: 'disconnect', reasonCode: code, properties: { reasonString } },
  ])
})

test.each(connects)('CONNECT: $rule', async ({ bytes, code, returnCode }) => {
  const socket = await broker.muster.openTls(await broker.device('begins'))
  const answered: Buffer[] = []
  socket.on('data', (chunk) => answered.push(chunk))
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(Buffer.from(bytes, 'hex'))
  await closed
  const answer = Buffer.concat(answered)
  if (code !== undefined) expect([answer[0], answer[2], answer[3]]).toEqual([0x20, 0, code])
  else expect(answer.toString('hex')).toBe(returnCode === undefined ? '' : `2002000${returnCode}`)
})

describe('what looks odd and is legal', () => {
  test.each([4, 5] as const)(
    'MQTT %s: U+FFFD, a byte order mark and control characters in a topic',
    async (version) => {
      const client = await broker.open(await broker.device(`odd-${version}`), version)
      const own = `fleets/default/devices/odd-${version}/telemetry`
      for (const level of ['\ufffd', '\ufeff', '\u0001', '__proto__', 'constructor', ''])
        await client.publish(`${own}/${level}`, 'x')
      const { rows } = await broker.muster.db.$client.query<{ topic: string }>(
        'select topic from telemetry where device = $1 order by seq',
        [`odd-${version}`],
      )
      expect(rows.map(({ topic }) => topic.slice(own.length + 1))).toEqual([
        '\ufffd',
        '\ufeff',
        '\u0001',
        '__proto__',
        'constructor',
        '',
      ])
      await client.drop()
    },
  )

  test('MQTT 5: a password without a user name', async () => {
    const socket = await broker.muster.openTls(await broker.device('secretive'))
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    socket.write(Buffer.from('101000044d51545405420000000000000170', 'hex'))
    await vi.waitFor(() => expect(Buffer.concat(received)[3]).toBe(0))
    socket.destroy()
  })

  test('packets that come byte by byte, and many in one piece', async () => {
    const client = await broker.open(await broker.device('pieces'), 4)
    for (const byte of Buffer.from('c000c000', 'hex')) client.socket.write(Buffer.of(byte))
    client.socket.write(Buffer.from('c000'.repeat(500), 'hex'))
    await client.next('pingresp', 502)
    await client.drop()
  })

  test('PUBACK, PUBREC and PUBCOMP of ids that nobody waits for', async () => {
    const client = await broker.open(await broker.device('eager'), 5)
    client.socket.write(Buffer.from('4002007750020077700200774003007800', 'hex'))
    await client.roundTrip()
    await client.drop()
  })
})

test('who breaks a rule loses the connection and nothing else: the session is kept, and the will is published', async () => {
  const witness = await broker.open(await broker.service('mourner'), 5)
  await witness.subscribe('fleets/default/#')
  const device = await broker.device('breaker')
  const will = {
    topic: 'fleets/default/devices/breaker/events/gone',
    payload: Buffer.from('x'),
    qos: 1 as const,
    retain: false,
  }
  const session = { clean: false, properties: { sessionExpiryInterval: 600 } }
  const client = await broker.open(device, 5, { will, ...session })
  await client.subscribe('fleets/default/devices/breaker/commands/#')
  client.socket.write(Buffer.from('0000', 'hex'))
  await client.closed
  await vi.waitFor(() => expect(witness.published().map(({ topic }) => topic)).toContain(will.topic))
  const again = await broker.open(device, 5, session)
  expect(again.connack.sessionPresent).toBe(true)
  await vi.waitFor(async () => expect(await broker.muster.refusals('breaker')).toContain('packet-malformed'))
  await Promise.all([again.drop(), witness.drop()])
})

describe('order of packets', () => {
  test('3.14.4: nothing after DISCONNECT counts', async () => {
    const device = await broker.device('leaver')
    const client = await broker.open(device, 4)
    const topic = Buffer.from('fleets/default/devices/leaver/telemetry')
    const publish = Buffer.concat([Buffer.from([0x30, topic.length + 3, 0, topic.length]), topic, Buffer.from('x')])
    client.socket.write(Buffer.concat([publish, Buffer.from('e000', 'hex'), publish, publish]))
    await client.closed
    const again = await broker.open(device, 4)
    await again.publish('fleets/default/devices/leaver/telemetry', 'end')
    const { rows } = await broker.muster.db.$client.query("select 1 from telemetry where device = 'leaver'")
    expect(rows).toHaveLength(2)
    await again.drop()
  })

  test('3.1.4: packets right behind the CONNECT are served after it', async () => {
    const device = await broker.device('at-once')
    const socket = await broker.muster.openTls(device)
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    socket.write(Buffer.from('100c00044d5154540402003c0000c000c000', 'hex'))
    await vi.waitFor(() => expect(Buffer.concat(received).toString('hex')).toBe('20020000d000d000'))
    socket.destroy()
  })

  test('4.6 answers to SUBSCRIBE, PUBLISH and PINGREQ in one piece all come', async () => {
    const client = await broker.open(await broker.device('mixed'), 5)
    client.socket.cork()
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: 'fleets/default/devices/mixed/commands/#', qos: 1 }],
    })
    const publish = {
      cmd: 'publish',
      topic: 'fleets/default/devices/mixed/telemetry',
      payload: 'x',
      qos: 1,
      dup: false,
      retain: false,
    } as const
    client.send({ ...publish, messageId: 2 })
    client.send({ ...publish, messageId: 3 })
    client.send({ cmd: 'pingreq' })
    client.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['fleets/default/devices/mixed/commands/#'] })
    client.socket.uncork()
    await client.next('suback')
    await client.next('puback', 2)
    await client.next('pingresp')
    expect(await client.next('unsuback')).toMatchObject({ granted: [0] })
    await client.drop()
  })
})
