import { policies } from '@muster/db'
import { sql } from 'drizzle-orm'
import type { Packet } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { nextEvent, rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { packetBytes: 64 * 1_024, queuedMessages: 3 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

const own = (id: string) => `fleets/default/devices/${id}`
async function open(device: TestDevice, version: 4 | 5, options = {}) {
  const socket = await muster.openTls(device)
  const client = rawClient(socket, version)
  client.connect(device.id, options)
  await client.next('connack')
  return { ...client, socket }
}
const openNew = async (id: string, version: 4 | 5 = 5, options = {}) => {
  const device = await muster.addDevice(id)
  return { device, ...(await open(device, version, options)) }
}
const openService = async (id: string) => muster.connect(await muster.addDevice(id, { profile: 'service' }))
const kept = { clean: false, properties: { sessionExpiryInterval: 3_600 } }
const publish = (topic: string, changed: object = {}) =>
  ({ cmd: 'publish', topic, payload: 'x', qos: 1, messageId: 1, dup: false, retain: false, ...changed }) as Packet
const subscribe = (...topics: string[]) =>
  ({ cmd: 'subscribe', messageId: 1, subscriptions: topics.map((topic) => ({ topic, qos: 1 })) }) as Packet
const topicsOf = (client: { find(cmd: 'publish'): Packet[] }) =>
  client.find('publish').map((packet) => (packet.cmd === 'publish' ? packet.topic : ''))

describe('denied', () => {
  test('a publication is answered with a reason in MQTT 5, at every QoS that has an answer', async () => {
    const { device, socket, ...client } = await openNew('denied-5')
    client.send(publish(`${own('victim')}/telemetry`))
    expect(await client.next('puback')).toMatchObject({
      reasonCode: 0x87,
      properties: { reasonString: /publish-denied/ },
    })
    client.send(publish('$SYS/x/new/clients', { qos: 2, messageId: 2, payload: `default/${device.id}` }))
    expect(await client.next('pubrec')).toMatchObject({ reasonCode: 0x87 })
    client.send(publish(`${own('victim')}/telemetry`, { qos: 0, messageId: undefined }))
    client.send(publish(`${own('denied-5')}/telemetry`, { messageId: 3 }))
    expect(await client.next('puback', 2)).toMatchObject({ messageId: 3, reasonCode: 0 })
    await vi.waitFor(async () => {
      const { rows } = await muster.db.execute(sql`select code, count::int from refusals where device = 'denied-5'`)
      expect(rows).toEqual([{ code: 'publish-denied', count: 3 }])
    })
    socket.destroy()
  })

  test('a publication ends an MQTT 3.1.1 connection, unacknowledged', async () => {
    const client = await openNew('denied-4', 4)
    client.send(publish(`${own('victim')}/telemetry`))
    await client.closed
    expect(client.find('puback')).toEqual([])
  })

  test('a subscription is denied alone; neither the session nor its queue keeps anything of it', async () => {
    const { device, socket, ...client } = await openNew('partial', 5, kept)
    client.send(subscribe(`${own('partial')}/commands/#`, `${own('victim')}/commands/#`))
    expect(await client.next('suback')).toMatchObject({ granted: [1, 0x87] })
    socket.destroy()
    const backend = await openService('backend-1')
    await backend.publishAsync(`${own('victim')}/commands/secret`, 'x', { qos: 1 })
    await backend.publishAsync(`${own('partial')}/commands/mine`, 'x', { qos: 1 })
    const again = await open(device, 5, kept)
    await again.next('publish')
    expect(topicsOf(again)).toEqual([`${own('partial')}/commands/mine`])
    again.socket.destroy()
    await backend.endAsync()
  })

  test('more filters than the policy’s limit', async () => {
    const { socket, ...client } = await openNew('many', 5, kept)
    client.send(subscribe(...Array.from({ length: 25 }, (_, index) => `${own('many')}/commands/${index}`)))
    const suback = await client.next('suback')
    expect(suback).toMatchObject({ granted: [...Array(20).fill(1), ...Array(5).fill(0x97)] })
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [`${own('many')}/commands/0`] })
    await client.next('unsuback')
    client.send(subscribe(`${own('many')}/commands/next`))
    expect(await client.next('suback', 2)).toMatchObject({ granted: [1] })
    socket.destroy()
  })
})

describe('a policy of the fleet’s own', () => {
  const write = (name: string, allow: object[], deny: object[] = []) =>
    muster.db
      .insert(policies)
      .values({ fleet: 'default', name, document: { name, allow, deny } as never, createdAt: new Date() })
  const use = (id: string, name: string) => muster.db.execute(sql`update devices set policy = ${name} where id = ${id}`)

  test('is checked for every message on its way out: denied parts of an allowed filter do not arrive', async () => {
    const device = await muster.addDevice('carved')
    await write(
      'carved',
      [{ subscribe: ['fleets/${fleet}/devices/+/commands/#'], qos: 0 }],
      [{ subscribe: ['fleets/+/devices/+/commands/secret/#'] }],
    )
    await use('carved', 'carved')
    const { socket, ...client } = await open(device, 5)
    client.send(subscribe('fleets/default/devices/+/commands/#'))
    // The QoS is granted as the policy has it.
    expect(await client.next('suback')).toMatchObject({ granted: [0] })
    const backend = await openService('backend-2')
    await backend.publishAsync(`${own('a')}/commands/secret/key`, 'x', { qos: 1 })
    await backend.publishAsync(`${own('a')}/commands/open`, 'x', { qos: 1 })
    expect(await client.next('publish')).toMatchObject({ topic: `${own('a')}/commands/open`, qos: 0 })
    expect(client.find('publish')).toHaveLength(1)
    socket.destroy()
    await backend.endAsync()
  })

  test('that has become narrower counts for kept subscriptions, queued and retained messages', async () => {
    const device = await muster.addDevice('narrowed')
    await write('wide', [{ subscribe: ['fleets/${fleet}/devices/+/commands/#'] }])
    await write('narrow', [{ subscribe: ['fleets/${fleet}/devices/${device}/commands/#'] }])
    await use('narrowed', 'wide')
    const { socket, ...client } = await open(device, 5, kept)
    client.send(subscribe('fleets/default/devices/+/commands/#'))
    await client.next('suback')
    socket.destroy()
    const backend = await openService('backend-3')
    await backend.publishAsync(`${own('victim')}/commands/secret`, 'x', { qos: 1, retain: true })
    await backend.publishAsync(`${own('narrowed')}/commands/queued`, 'x', { qos: 1 })
    await use('narrowed', 'narrow')
    const again = await open(device, 5, kept)
    again.send(subscribe(`${own('narrowed')}/commands/#`))
    await again.next('suback')
    await backend.publishAsync(`${own('victim')}/commands/live`, 'x', { qos: 1 })
    await backend.publishAsync(`${own('narrowed')}/commands/live`, 'x', { qos: 1 })
    await vi.waitFor(() => expect(topicsOf(again)).toContain(`${own('narrowed')}/commands/live`))
    expect(topicsOf(again).filter((topic) => topic.includes('victim'))).toEqual([])
    again.socket.destroy()
    await backend.publishAsync(`${own('victim')}/commands/secret`, '', { qos: 1, retain: true })
    await backend.endAsync()
  })

  test('that does not exist admits nobody', async () => {
    const device = await muster.addDevice('lawless')
    await use('lawless', 'gone')
    await expect(muster.connect(device)).rejects.toMatchObject({ code: 5 })
    await vi.waitFor(async () => expect(await muster.refusals('lawless')).toEqual(['policy-not-found']))
  })
})

describe('packets', () => {
  test.each([4, 5] as const)('above the limit are cut off long before they are there (MQTT %s)', async (version) => {
    const { socket, ...client } = await openNew(`large-${version}`, version)
    // The header of a PUBLISH of 256 MB, and a little of it.
    socket.write(Buffer.concat([Buffer.from('32ffffff7f', 'hex'), Buffer.alloc(1_000)]))
    await client.closed
    const after = client.received.slice(1)
    expect(after).toMatchObject(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x95 }] : [])
  })

  test.each([4, 5] as const)('of 1 MB are cut off (MQTT %s)', async (version) => {
    const client = await openNew(`mega-${version}`, version)
    client.send(publish(`${own(`mega-${version}`)}/telemetry`, { payload: Buffer.alloc(1_048_576) }))
    await client.closed
    expect(client.find('puback')).toEqual([])
    const { rows } = await muster.db.execute(sql`select 1 from telemetry where device = ${`mega-${version}`}`)
    expect(rows).toEqual([])
  })

  const malformed: [string, (id: string) => Packet | Buffer][] = [
    ['packet id 0', () => Buffer.from('32050001610000', 'hex')],
    ['a wildcard in a topic', () => Buffer.from('300500032b2f6178', 'hex')],
    ['a topic that is not UTF-8', () => Buffer.from('30040002fffe', 'hex')],
    ['a filter like a+', () => subscribe('a+')],
    ['no filter', () => Buffer.from('82020001', 'hex')],
    ['DUP at QoS 0', () => Buffer.from('3803000161', 'hex')],
    ['a second CONNECT', () => Buffer.from('100c00044d5154540402003c0000', 'hex')],
    ['an unknown type', () => Buffer.from('0000', 'hex')],
    ['a filter named __proto__', () => subscribe('__proto__', 'a')],
  ]
  test.each(malformed)('with %s end the connection, and nothing else', async (what, make) => {
    const id = `broken-${malformed.findIndex(([name]) => name === what)}`
    const { socket, ...client } = await openNew(id, 4)
    const packet = make(id)
    if (Buffer.isBuffer(packet)) socket.write(packet)
    else client.send(packet)
    await client.closed
    const witness = await openNew(`witness-of-${id}`, 4)
    witness.send({ cmd: 'pingreq' })
    await witness.next('pingresp')
    witness.socket.destroy()
  })

  test('MQTT 5 is told that a packet was malformed, and the device’s record says so', async () => {
    const client = await openNew('told')
    client.send(subscribe('a+'))
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x81 })
    await client.closed
    await vi.waitFor(async () => expect(await muster.refusals('told')).toEqual(['packet-malformed']))
  })

  test('a client that promises to be alive and is not is closed', async () => {
    const client = await openNew('silent', 4, { keepalive: 1 })
    await client.closed
  })
})

describe('one session a device', () => {
  test('the newest connection wins, and an MQTT 5 client is told', async () => {
    const device = await muster.addDevice('single')
    const first = await open(device, 5)
    const second = await open(device, 5)
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e })
    await first.closed
    second.send({ cmd: 'pingreq' })
    await second.next('pingresp')
    second.socket.destroy()
  })

  test('of many at once one stays, and it works', async () => {
    const device = await muster.addDevice('crowd')
    const sockets = await Promise.all(Array.from({ length: 12 }, () => muster.openTls(device)))
    const clients = sockets.map((socket) => ({ socket, ...rawClient(socket) }))
    for (const client of clients) client.connect('crowd', { clean: false })
    await vi.waitFor(() => expect(clients.filter(({ socket }) => !socket.closed)).toHaveLength(1), 5_000)
    const [winner] = clients.filter(({ socket }) => !socket.closed)
    await winner?.next('connack')
    winner?.send(publish(`${own('crowd')}/telemetry`))
    await winner?.next('puback')
    winner?.socket.destroy()
  })

  test('another device keeps its connection when somebody asks for its client id', async () => {
    const held = await openNew('held')
    const thief = await muster.addDevice('thief')
    for (const clientId of ['held', 'default/held', '__proto__', 'constructor']) {
      const client = rawClient(await muster.openTls(thief), 5)
      client.connect(clientId)
      expect(await client.next('connack')).toMatchObject({ reasonCode: 0x85 })
      await client.closed
    }
    held.send({ cmd: 'pingreq' })
    await held.next('pingresp')
    held.socket.destroy()
  })

  test('an empty client id is told which it is', async () => {
    const device = await muster.addDevice('unnamed')
    const socket = await muster.openTls(device)
    const client = rawClient(socket, 5)
    client.connect('')
    expect(await client.next('connack')).toMatchObject({ properties: { assignedClientIdentifier: 'unnamed' } })
    socket.destroy()
  })
})

test('the queue of an absent device has a bound: the first messages stay', async () => {
  const { device, socket, ...client } = await openNew('absent', 5, kept)
  client.send(subscribe(`${own('absent')}/commands/#`))
  await client.next('suback')
  socket.destroy()
  const backend = await openService('backend-4')
  for (const n of [1, 2, 3, 4, 5]) await backend.publishAsync(`${own('absent')}/commands/${n}`, 'x', { qos: 1 })
  const again = await open(device, 5, kept)
  await again.next('publish', 3)
  for (const packet of again.find('publish'))
    if (packet.messageId) again.send({ cmd: 'puback', messageId: packet.messageId })
  await backend.publishAsync(`${own('absent')}/commands/end`, 'x', { qos: 1 })
  await again.next('publish', 4)
  expect(topicsOf(again).map((topic) => topic.split('/').at(-1))).toEqual(['1', '2', '3', 'end'])
  again.socket.destroy()
  await backend.endAsync()
})

test('who is connected shows in the registry', async () => {
  const device = await muster.addDevice('present')
  const look = async () => {
    const { rows } = await muster.db.execute(sql`select node, connected_at, seen_at from devices where id = 'present'`)
    return rows[0]
  }
  const client = await muster.connect(device)
  await vi.waitFor(
    async () => expect(await look()).toMatchObject({ node: 'broker-1', connected_at: expect.anything() }),
    3_000,
  )
  const closed = nextEvent(client, 'close')
  await client.endAsync()
  await closed
  await vi.waitFor(async () => expect(await look()).toMatchObject({ node: null, seen_at: expect.anything() }), 3_000)
})
