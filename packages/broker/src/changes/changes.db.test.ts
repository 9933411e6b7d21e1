import { changes, devices, nodes, receipts } from '@muster/db'
import { and, eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { nextEvent, rawClient, someoneWaitsFor, startTestBroker, type TestBroker, whileLocked } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { pollMs: 300 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

const persistent = { clean: false, properties: { sessionExpiryInterval: 3_600 }, protocolVersion: 5 } as const
const commandsOf = (id: string) => `fleets/default/devices/${id}/commands`

/** What another service hears, wills included. */
async function listenAs(id: string, filter: string) {
  const client = await muster.connect(await muster.addDevice(id, { profile: 'service' }))
  const heard: string[] = []
  client.on('message', (topic, payload) => heard.push(`${topic} ${payload}`))
  await client.subscribeAsync(filter, { qos: 1 })
  return { client, heard }
}

describe('revoking', () => {
  test('tells an MQTT 5 client, closes, purges, and is acknowledged', async () => {
    const device = await muster.addDevice('told')
    const client = await muster.connect(device, { protocolVersion: 5 })
    const told = nextEvent(client, 'disconnect')
    const closed = nextEvent(client, 'close')
    const seq = await muster.change(device, 'revoke')
    expect(await told).toMatchObject({ reasonCode: 0x98, properties: { reasonString: 'device-revoked' } })
    await closed
    expect(await muster.receipt(seq)).toMatchObject({ connectionsClosed: 1, sessionPurged: true })
    await expect(muster.connect(device)).rejects.toMatchObject({ code: 5 })
    await vi.waitFor(async () => expect(await muster.refusals('told')).toEqual(['device-revoked']))
  })

  test('closes a connection that reads nothing', async () => {
    const device = await muster.addDevice('deaf')
    const socket = await muster.openTls(device)
    rawClient(socket, 5).connect('deaf')
    await vi.waitFor(() => expect(socket.bytesRead).toBeGreaterThan(0))
    socket.pause()
    const seq = await muster.change(device, 'revoke')
    expect(await muster.receipt(seq)).toMatchObject({ connectionsClosed: 1 })
    socket.destroy()
  })

  test('leaves no will behind, neither at once nor after its delay', async () => {
    const { client, heard } = await listenAs('mourner', 'fleets/default/devices/+/events/#')
    const topicOf = (id: string) => `fleets/default/devices/${id}/events/gone`
    const connectWithWill = async (id: string, willDelayInterval: number) => {
      const device = await muster.addDevice(id)
      const will = { topic: topicOf(id), payload: Buffer.from('will'), qos: 1 as const, retain: false }
      const properties = { willDelayInterval }
      return { device, connection: await muster.connect(device, { ...persistent, will: { ...will, properties } }) }
    }
    const revoked = await connectWithWill('revoked-live', 0)
    await muster.receipt(await muster.change(revoked.device, 'revoke'))
    const away = await connectWithWill('revoked-away', 1)
    away.connection.stream.destroy()
    await muster.receipt(await muster.change(away.device, 'revoke'))
    // The control: its will is due after the other one would have been.
    const control = await connectWithWill('mourned', 1)
    control.connection.stream.destroy()
    await vi.waitFor(() => expect(heard).toEqual([`${topicOf('mourned')} will`]), 5_000)
    const { rows } = await muster.db.execute(sql`select device from telemetry where topic like '%/events/gone'`)
    expect(rows).toEqual([{ device: 'mourned' }])
    await client.endAsync()
  })

  test('purges session and queue: whoever has the name next gets nothing of it', async () => {
    const { client: sender } = await listenAs('sender', 'fleets/default/devices/sender/none')
    const device = await muster.addDevice('purged')
    const first = await muster.connect(device, persistent)
    await first.subscribeAsync(`${commandsOf('purged')}/#`, { qos: 1 })
    await first.endAsync()
    await sender.publishAsync(`${commandsOf('purged')}/unlock`, 'secret', { qos: 1 })
    await muster.receipt(await muster.change(device, 'revoke'))

    const successor = await muster.addDevice('purged')
    const socket = await muster.openTls(successor)
    const raw = rawClient(socket, 5)
    raw.connect('purged', { clean: false, properties: { sessionExpiryInterval: 3_600 } })
    expect(await raw.next('connack')).toMatchObject({ reasonCode: 0, sessionPresent: false })
    raw.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${commandsOf('purged')}/new`, qos: 1 }] })
    await raw.next('suback')
    await sender.publishAsync(`${commandsOf('purged')}/old`, 'x', { qos: 1 })
    await sender.publishAsync(`${commandsOf('purged')}/new`, 'fresh', { qos: 1 })
    await raw.next('publish')
    expect(raw.find('publish').map((packet) => packet.cmd === 'publish' && packet.topic)).toEqual([
      `${commandsOf('purged')}/new`,
    ])
    socket.destroy()
    await sender.endAsync()
  })
})

describe('a change and a connection at the same moment', () => {
  test('a device whose admission is being looked up is found', async () => {
    const device = await muster.addDevice('between')
    const socket = await muster.openTls(device)
    const client = rawClient(socket)
    // The look-up needs this table, acting on changes does not.
    await whileLocked(muster.db, 'policies', async () => {
      client.connect('between')
      await someoneWaitsFor(muster.db, 'policies')
      const seq = await muster.change(device, 'revoke')
      expect(await muster.receipt(seq)).toMatchObject({ connectionsClosed: 1 })
      await client.closed
    })
    expect(client.received).toEqual([])
  })

  test('however they fall, nobody who is revoked stays connected', async () => {
    const rounds = Array.from({ length: 40 }, (_, round) => round)
    await Promise.all(
      rounds.map(async (round) => {
        const device = await muster.addDevice(`race-${round}`)
        const connecting = muster.openTls(device).then((socket) => {
          const client = rawClient(socket, 5)
          client.connect(device.id)
          return client
        })
        await new Promise((resolve) => setTimeout(resolve, round))
        const seq = await muster.change(device, 'revoke')
        await muster.receipt(seq)
        await (await connecting).closed
      }),
    )
  })

  test('a change that is still open is acted on before the device is let in again', async () => {
    const device = await muster.addDevice('reborn')
    const first = await muster.connect(device, persistent)
    await first.subscribeAsync(`${commandsOf('reborn')}/#`, { qos: 1 })
    await first.endAsync()
    // The notification is lost, and the name has a new owner before the next poll.
    const [change] = await muster.db
      .insert(changes)
      .values({ kind: 'revoke', fleet: 'default', device: 'reborn', at: new Date() })
      .returning()
    const socket = await muster.openTls(await muster.addDevice('reborn'))
    const raw = rawClient(socket, 5)
    raw.connect('reborn', { clean: false, properties: { sessionExpiryInterval: 3_600 } })
    expect(await raw.next('connack')).toMatchObject({ reasonCode: 0, sessionPresent: false })
    const done = await muster.db
      .select()
      .from(receipts)
      .where(and(eq(receipts.change, change?.seq ?? 0), eq(receipts.node, 'broker-1')))
    expect(done).toMatchObject([{ connectionsClosed: 0, sessionPurged: true }])
    socket.destroy()
  })
})

describe('suspending', () => {
  test('closes the connection and keeps the session for when the device is resumed', async () => {
    const { client: sender } = await listenAs('sender-2', 'fleets/default/devices/sender-2/none')
    const device = await muster.addDevice('paused')
    const first = await muster.connect(device, persistent)
    await first.subscribeAsync(`${commandsOf('paused')}/#`, { qos: 1 })
    const closed = nextEvent(first, 'close')
    const seq = await muster.change(device, 'suspend')
    await closed
    expect(await muster.receipt(seq)).toMatchObject({ connectionsClosed: 1, sessionPurged: false })
    await expect(muster.connect(device)).rejects.toMatchObject({ code: 5 })
    await sender.publishAsync(`${commandsOf('paused')}/later`, 'kept', { qos: 1 })
    const resumed = await muster.receipt(await muster.change(device, 'resume'))
    expect(resumed).toMatchObject({ connectionsClosed: 0, sessionPurged: false })
    const socket = await muster.openTls(device)
    const raw = rawClient(socket, 5)
    raw.connect('paused', { clean: false, properties: { sessionExpiryInterval: 3_600 } })
    expect(await raw.next('connack')).toMatchObject({ sessionPresent: true })
    expect(await raw.next('publish')).toMatchObject({ topic: `${commandsOf('paused')}/later` })
    socket.destroy()
    await sender.endAsync()
  })
})

describe('when notifications fail', () => {
  const changeQuietly = async (id: string) => {
    await muster.db.execute(sql`update devices set state = 'revoked' where id = ${id}`)
    const row = { kind: 'revoke' as const, fleet: 'default', device: id, at: new Date() }
    const [change] = await muster.db.insert(changes).values(row).returning()
    return String(change?.seq)
  }

  test('the poll finds what was not told', async () => {
    const device = await muster.addDevice('quiet')
    const client = await muster.connect(device)
    const closed = nextEvent(client, 'close')
    expect(await muster.receipt(await changeQuietly('quiet'))).toMatchObject({ connectionsClosed: 1 })
    await closed
  })

  test('after its connections were cut the node judges everybody again, and hears notifications again', async () => {
    const staying = await muster.addDevice('staying')
    const gone = await muster.addDevice('gone')
    const [stayingClient, goneClient] = await Promise.all([muster.connect(staying), muster.connect(gone)])
    const closed = nextEvent(goneClient, 'close')
    // Not even a row in `changes`: only judging again can notice.
    await muster.db.execute(sql`update devices set state = 'suspended' where id = 'gone'`)
    await muster.asSuperuser(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'muster_broker' and datname = current_database()",
    )
    await closed
    expect(stayingClient.connected).toBe(true)
    await muster.receipt(await muster.change(staying, 'revoke'))
  })
})

test('what is kept for a device that is away is on record, and is gone from it with the session', async () => {
  const device = await muster.addDevice('keeper')
  const recorded = async () => {
    const [row] = await muster.db.select().from(devices).where(eq(devices.id, 'keeper'))
    return row?.sessionEndsAt?.getTime() ?? 0
  }
  const isKept = () => vi.waitFor(async () => expect(await recorded()).toBeGreaterThan(Date.now() + 3_500_000), 5_000)
  const isGone = () => vi.waitFor(async () => expect(await recorded()).toBe(0), 5_000)
  const client = await muster.connect(device, persistent)
  await client.endAsync()
  await isKept()
  // Nobody but the node knows: what it finds on its disk it says again.
  await muster.db.execute(sql`update devices set session_ends_at = null where id = 'keeper'`)
  await muster.broker[Symbol.asyncDispose]()
  await muster.start()
  await isKept()
  await muster.receipt(await muster.change(device, 'retire'))
  await isGone()
})

test('a restarted node acknowledges what it missed', async () => {
  const device = await muster.addDevice('missed')
  await muster.broker[Symbol.asyncDispose]()
  const [left] = await muster.db.select().from(nodes)
  expect(left?.leftAt).toBeInstanceOf(Date)
  const seq = await muster.change(device, 'revoke')
  await muster.start()
  expect(await muster.receipt(seq)).toMatchObject({ connectionsClosed: 0, sessionPurged: true })
  const [back] = await muster.db.select().from(nodes)
  expect(back?.leftAt).toBeNull()
})
