import { policies } from '@muster/db'
import { sql } from 'drizzle-orm'
import type { Packet } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { rawClient, someoneWaitsFor, startTestBroker, type TestBroker, whileLocked } from '../../testing.ts'

const receiveMaximum = 10

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { receiveMaximum } })
})
afterAll(() => muster[Symbol.asyncDispose]())

const own = (id: string, kind = 'telemetry') => `fleets/default/devices/${id}/${kind}`
async function open(id: string, version: 4 | 5 = 5, connect = {}, add = {}) {
  const device = await muster.addDevice(id, add)
  const reconnect = async () => {
    const socket = await muster.openTls(device)
    const client = rawClient(socket, version)
    client.connect(id, connect)
    const connack = await client.next('connack')
    return { ...client, socket, connack }
  }
  return { device, reconnect, ...(await reconnect()) }
}
const publish = (topic: string, changed: object = {}) =>
  ({ cmd: 'publish', topic, payload: 'x', qos: 1, messageId: 1, dup: false, retain: false, ...changed }) as Packet
const ids = (packets: Packet[]) => packets.map((packet) => packet.messageId)
const rows = async (id: string) =>
  (await muster.db.execute(sql`select 1 from telemetry where device = ${id}`)).rows.length
async function connections(): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  return Number(/^muster_broker_connections (\d+)/m.exec(metrics)?.[1])
}
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
async function received(type: string): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  return Number(new RegExp(`packets_received_total\\{type="${type}"\\} (\\d+)`).exec(metrics)?.[1] ?? 0)
}

describe('topic aliases', () => {
  test('stand for the topic that they came with, and go no further', async () => {
    const service = await open('alias-service', 5, {}, { profile: 'service' })
    service.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'fleets/default/#', qos: 0 }] })
    await service.next('suback')
    const device = await open('alias')
    expect(device.connack).toMatchObject({ properties: { topicAliasMaximum: 32 } })
    device.send(publish(own('alias'), { properties: { topicAlias: 3 } }))
    device.send(publish('', { messageId: 2, payload: 'second', properties: { topicAlias: 3 } }))
    await device.next('puback', 2)
    const arrived = await service.next('publish', 2)
    expect(arrived).toMatchObject({ topic: own('alias'), payload: Buffer.from('second') })
    expect(arrived).not.toHaveProperty('properties.topicAlias')
    for (const { socket } of [service, device]) socket.destroy()
  })

  test.each([
    ['0', 0, 'x'],
    ['above the maximum', 33, 'x'],
    ['that stands for nothing', 5, ''],
  ])('%s end the connection', async (what, topicAlias, topic) => {
    const id = `alias-${what.length}`
    const client = await open(id)
    const body = Buffer.concat([
      Buffer.from([0, topic.length, ...Buffer.from(topic)]),
      Buffer.from([3, 0x23, 0, topicAlias]),
    ])
    client.socket.write(Buffer.concat([Buffer.from([0x30, body.length]), body]))
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x94 })
    await client.closed
  })
})

describe('QoS 2', () => {
  test('a PUBLISH that comes again before its PUBREL is answered and goes no further', async () => {
    const client = await open('twice')
    for (const dup of [false, true, true]) client.send(publish(own('twice'), { qos: 2, messageId: 9, dup }))
    await client.next('pubrec')
    client.send(publish(own('twice'), { qos: 2, messageId: 9, dup: true }))
    await client.next('pubrec', 2)
    expect(await rows('twice')).toBe(1)
    client.send({ cmd: 'pubrel', messageId: 9 })
    expect(await client.next('pubcomp')).toMatchObject({ reasonCode: 0 })
    client.send(publish(own('twice'), { qos: 2, messageId: 9 }))
    await vi.waitFor(async () => expect(await rows('twice')).toBe(2))
    client.socket.destroy()
  })

  test('so it is on a new connection of a session that was kept', async () => {
    const kept = { clean: false, properties: { sessionExpiryInterval: 3_600 } }
    const first = await open('later', 5, kept)
    first.send(publish(own('later'), { qos: 2, messageId: 9 }))
    await first.next('pubrec')
    first.socket.destroy()
    const second = await first.reconnect()
    second.send(publish(own('later'), { qos: 2, messageId: 9, dup: true }))
    expect(await second.next('pubrec')).toMatchObject({ reasonCode: 0 })
    second.send({ cmd: 'pubrel', messageId: 9 })
    expect(await second.next('pubcomp')).toMatchObject({ reasonCode: 0 })
    expect(await rows('later')).toBe(1)
    second.socket.destroy()
  })

  test('PUBREL of an id that is not known is told so', async () => {
    const client = await open('unknown-5')
    client.send({ cmd: 'pubrel', messageId: 77 })
    expect(await client.next('pubcomp')).toMatchObject({ messageId: 77, reasonCode: 0x92 })
    client.socket.destroy()
    const old = await open('unknown-4', 4)
    old.send({ cmd: 'pubrel', messageId: 77 })
    expect(await old.next('pubcomp')).toMatchObject({ messageId: 77 })
    old.socket.destroy()
  })

  test('[MQTT-4.3.3-4] PUBREL before PUBREC ends the connection', async () => {
    const client = await open('hasty')
    await whileLocked(muster.db, 'telemetry', async () => {
      client.send(publish(own('hasty'), { qos: 2, messageId: 9 }))
      client.send({ cmd: 'pubrel', messageId: 9 })
      expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    })
    await client.closed
  })
})

describe('while the database is slow', () => {
  test('[MQTT-3.3.4-9] more than the receive maximum ends an MQTT 5 connection', async () => {
    const client = await open('greedy')
    expect(client.connack).toMatchObject({ properties: { receiveMaximum } })
    await whileLocked(muster.db, 'telemetry', async () => {
      for (const messageId of range(receiveMaximum + 1))
        client.send(publish(own('greedy'), { messageId, qos: 1 + (messageId % 2) }))
      expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x93 })
    })
    await client.closed
  })

  test.each([0, 1] as const)(
    'MQTT 3.1.1 is held back at QoS %s: no more than that is taken, and nothing is lost',
    async (qos) => {
      const id = `patient-${qos}`
      const client = await open(id, 4)
      const count = 300
      const before = await received('publish')
      await whileLocked(muster.db, 'telemetry', async () => {
        for (const messageId of range(count))
          client.send(publish(own(id), { messageId: qos ? messageId : undefined, qos }))
        await someoneWaitsFor(muster.db, 'telemetry')
        // It is read again when there is room, not before.
        await vi.waitFor(async () => expect(await received('publish')).toBe(before + receiveMaximum))
        expect(client.find('puback')).toEqual([])
      })
      await vi.waitFor(async () => expect(await rows(id)).toBe(count), 10_000)
      if (qos) await vi.waitFor(() => expect(ids(client.find('puback'))).toEqual(range(count)))
      client.socket.destroy()
    },
  )

  test('it is not taken for dead', async () => {
    const client = await open('waits', 4, { keepalive: 1 })
    await whileLocked(muster.db, 'telemetry', async () => {
      for (const messageId of range(receiveMaximum + 5)) client.send(publish(own('waits'), { messageId }))
      await someoneWaitsFor(muster.db, 'telemetry')
      // Twice as long as a client may say nothing.
      const until = Date.now() + 3_500
      await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(until), 6_000)
    })
    await client.next('puback', receiveMaximum + 5)
    client.socket.destroy()
  })

  test('what is revoked meanwhile is never acknowledged, and nobody gets it', async () => {
    const service = await open('witness', 5, {}, { profile: 'service' })
    service.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'fleets/default/#', qos: 0 }] })
    await service.next('suback')
    const client = await open('goes')
    await whileLocked(muster.db, 'telemetry', async () => {
      client.send(publish(own('goes'), { messageId: 1 }))
      client.send(publish(own('goes'), { messageId: 2, qos: 2 }))
      await someoneWaitsFor(muster.db, 'telemetry')
      await muster.change(client.device, 'revoke')
      await client.closed
    })
    expect([...client.find('puback'), ...client.find('pubrec')]).toEqual([])
    const other = await open('stays')
    other.send(publish(own('stays')))
    await other.next('puback')
    await service.next('publish')
    expect(service.find('publish')).toMatchObject([{ topic: own('stays') }])
    for (const { socket } of [service, other]) socket.destroy()
  })
})

test('[MQTT-4.6.0-2] acknowledgements keep the order of the messages, refusals among them', async () => {
  const client = await open('ordered')
  await whileLocked(muster.db, 'telemetry', async () => {
    client.send(publish(own('ordered'), { messageId: 5 }))
    client.send(publish(own('other'), { messageId: 4 }))
    client.send(publish(own('ordered'), { messageId: 3 }))
    await someoneWaitsFor(muster.db, 'telemetry')
    client.send({ cmd: 'pingreq' })
    await client.next('pingresp')
    expect(client.find('puback')).toEqual([])
  })
  await client.next('puback', 3)
  expect(ids(client.find('puback'))).toEqual([5, 4, 3])
  expect(client.find('puback')).toMatchObject([{ reasonCode: 0 }, { reasonCode: 0x87 }, { reasonCode: 0 }])
  client.socket.destroy()
})

test('MQTT 3.1.1 gets what came before a refusal acknowledged, and then the end', async () => {
  const client = await open('partly', 4)
  client.socket.cork()
  for (const messageId of [1, 2]) client.send(publish(own('partly'), { messageId }))
  client.send(publish(own('other'), { messageId: 3 }))
  client.send(publish(own('partly'), { messageId: 4 }))
  client.socket.uncork()
  await client.closed
  expect(ids(client.find('puback'))).toEqual([1, 2])
  expect(await rows('partly')).toBe(2)
})

test('a payload that is not the UTF-8 it is said to be', async () => {
  const client = await open('format')
  const properties = { payloadFormatIndicator: true }
  client.send(publish(own('format'), { payload: Buffer.of(0xff), properties }))
  expect(await client.next('puback')).toMatchObject({
    reasonCode: 0x99,
    properties: { reasonString: /publish-denied/ },
  })
  client.send(publish(own('format'), { payload: 'ü', messageId: 2, properties }))
  expect(await client.next('puback', 2)).toMatchObject({ messageId: 2, reasonCode: 0 })
  client.socket.destroy()
})

test('[MQTT-3.1.2-29] who wants no problem information gets the code alone', async () => {
  const client = await open('terse', 5, { properties: { requestProblemInformation: false } })
  client.send(publish(own('other')))
  const puback = await client.next('puback')
  expect(puback).toMatchObject({ reasonCode: 0x87 })
  expect(puback).not.toHaveProperty('properties')
  client.socket.destroy()
})

test('a message overtakes no retained one', async () => {
  const service = await open('keeper', 5, {}, { profile: 'service' })
  const topic = own('keeper', 'commands')
  service.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  await service.next('suback')
  for (const messageId of range(20))
    service.send(publish(topic, { messageId, payload: `${messageId}`, retain: messageId % 2 === 1 }))
  await service.next('publish', 20)
  const payloads = service
    .find('publish')
    .map((packet) => (packet.cmd === 'publish' ? Number(packet.payload.toString()) : 0))
  expect(payloads).toEqual(range(20))
  service.send(publish(topic, { messageId: 21, payload: '', retain: true }))
  await service.next('puback', 21)
  service.socket.destroy()
})

test('answers that a client does not read are bounded: it is not read any more either', async () => {
  const client = await open('deaf', 4)
  const before = await received('pingreq')
  client.socket.pause()
  const ping = Buffer.from('c000'.repeat(50_000), 'hex')
  const sent = 200
  for (let piece = 0; piece < sent; piece++) client.socket.write(ping)
  let taken = -1
  await vi.waitFor(
    async () => {
      const now = await received('pingreq')
      const same = now === taken
      taken = now
      expect(same && now > before).toBe(true)
    },
    { timeout: 15_000, interval: 500 },
  )
  expect(taken - before).toBeLessThan(sent * 50_000)
  // Nor is it waited for without end.
  await vi.waitFor(async () => expect(await connections()).toBe(0), 15_000)
  client.socket.destroy()
})

test('a client above its rate is slowed down, and loses nothing', async () => {
  const document = {
    name: 'slow',
    allow: [{ publish: ['fleets/${fleet}/devices/${device}/#'] }],
    deny: [],
    limits: { messagesPerSecond: 20, bytesPerSecond: 1_048_576, subscriptions: 1 },
  }
  await muster.db
    .insert(policies)
    .values({ fleet: 'default', name: 'slow', document: document as never, createdAt: new Date() })
  await muster.addDevice('hurried')
  await muster.db.execute(sql`update devices set policy = 'slow' where id = 'hurried'`)
  const client = await open('hurried', 4)
  await muster.db.execute(sql`update devices set policy = 'slow' where id = 'hurried'`)
  client.socket.destroy()
  const again = await client.reconnect()
  const begun = performance.now()
  for (const messageId of range(60)) again.send(publish(own('hurried'), { messageId }))
  await vi.waitFor(() => expect(ids(again.find('puback'))).toEqual(range(60)), 10_000)
  // 20 at once, 40 at 20 a second.
  expect(performance.now() - begun).toBeGreaterThan(1_500)
  again.socket.destroy()
})
