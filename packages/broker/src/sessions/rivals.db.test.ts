import { type CloneAction, cloneActions } from '@muster/contracts'
import { devices, fleets, listenTo, nodes } from '@muster/db'
import { type DatabaseGate, openDatabaseGate } from '@muster/db/testing'
import { eq, sql } from 'drizzle-orm'
import type { IClientOptions, MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Broker } from '../broker.ts'
import { openMail } from '../nodes/mail.ts'
import { nextEvent, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let gate: DatabaseGate
let muster: TestBroker
let second: Broker
beforeAll(async () => {
  gate = await openDatabaseGate()
  muster = await startTestBroker({ gate, limits: { cloneAskMs: 700, pollMs: 300 } })
  second = await muster.startNode('broker-2')
})
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await muster?.[Symbol.asyncDispose]()
  await gate?.[Symbol.asyncDispose]()
})

const [here, there] = ['127.0.0.1', '127.0.0.2'] as const
const of = (id: string) => eq(devices.id, id)
const takenOver = 0x8e
const contact = { isHere: () => true }

/** A device in a fleet of its own, which does `action`. */
async function addDevice(id: string, action: CloneAction): Promise<TestDevice> {
  const device = await muster.addDevice(id, { fleet: `fleet-${id}` })
  await muster.db
    .update(fleets)
    .set({ onClone: action })
    .where(eq(fleets.name, `fleet-${id}`))
  return device
}
const connect = (localAddress: string, device: TestDevice, options: IClientOptions = {}) =>
  muster.connect(device, { localAddress, protocolVersion: 5, ...options } as IClientOptions)
const connectToSecond = (localAddress: string, device: TestDevice, options: IClientOptions = {}) =>
  connect(localAddress, device, { port: second.mqttPort, ...options })

async function recordOf(id: string) {
  const text = `select address, detail, alert, proven, count::int from refusals where device = $1 and code = 'certificate-cloned'`
  return (await muster.db.$client.query(text, [id])).rows
}
const isListedAt = (id: string, node: string | null) =>
  vi.waitFor(async () => {
    const [row] = await muster.db.select().from(devices).where(of(id))
    expect(row?.node).toBe(node)
  }, 5_000)
const end = (...clients: MqttClient[]) => Promise.all(clients.map((client) => client.endAsync(true)))

test('a device that connects at another node is taken over from this one', async () => {
  // Its own key in one place: whatever the fleet does about clones.
  const device = await addDevice('mover', 'keep-oldest')
  const first = await connect(here, device)
  await isListedAt('mover', 'broker-1')
  const told = nextEvent(first, 'disconnect')
  const next = await connectToSecond(here, device)
  expect(await told).toMatchObject({ reasonCode: takenOver })
  // And back, before anybody may have written down where it is.
  const again = nextEvent(next, 'disconnect')
  const last = await connect(here, device)
  expect(await again).toMatchObject({ reasonCode: takenOver })
  await isListedAt('mover', 'broker-1')
  expect(last.connected).toBe(true)
  expect(await recordOf('mover')).toEqual([])
  await end(first, next, last)
})

describe('a thief at the other node', () => {
  test.each(cloneActions)('is recognised at its CONNECT: %s', async (action) => {
    const id = `stolen-${action}`
    const device = await addDevice(id, action)
    const first = await connect(here, device)
    await isListedAt(id, 'broker-1')
    const closed = nextEvent(first, 'close')
    const thief = connectToSecond(there, device)
    if (action === 'keep-newest') {
      expect((await thief).connected).toBe(true)
      await closed
    } else await expect(thief).rejects.toMatchObject({ code: 0x87 })
    if (action === 'keep-oldest') expect(first.connected).toBe(true)
    if (action === 'suspend') {
      await closed
      for (const port of [muster.broker.mqttPort, second.mqttPort])
        await expect(connect(here, device, { port })).rejects.toMatchObject({ code: 0x87 })
    }
    const address = action === 'keep-newest' ? here : there
    await vi.waitFor(async () => expect(await recordOf(id)).toMatchObject([{ alert: true, proven: true, address }]))
    const [{ detail }] = await recordOf(id)
    expect(detail).toContain(here)
    expect(detail).toContain(there)
    await end(first, ...(await thief.then((client) => [client]).catch(() => [])))
  })

  test('does not take turns with the device at full speed', async () => {
    const device = await addDevice('fight', 'keep-newest')
    let holder = await connect(here, device)
    await isListedAt('fight', 'broker-1')
    let [taken, refused, isAtFirst] = [0, 0, true]
    for (let round = 0; round < 10; round++) {
      try {
        const next = await (isAtFirst ? connectToSecond(there, device) : connect(here, device))
        await holder.endAsync(true)
        holder = next
        isAtFirst = !isAtFirst
        taken += 1
      } catch {
        refused += 1
      }
    }
    expect(taken).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(taken)
    expect(holder.connected).toBe(true)
    await end(holder)
  })
})

describe('both connect before either node has told the registry', () => {
  test.each(cloneActions)('one stays, or by the fleet’s choice nobody: %s', async (action) => {
    const id = `race-${action}`
    const device = await addDevice(id, action)
    const clients = await muster.db.transaction(async (tx) => {
      // Nothing is written down, and everybody is admitted meanwhile.
      await tx.execute(sql`select from devices where id = ${id} for update`)
      return Promise.all([connect(here, device), connectToSecond(there, device)])
    })
    const staying = () => clients.filter(({ connected }) => connected)
    await vi.waitFor(() => expect(staying().length).toBe(action === 'suspend' ? 0 : 1), 5_000)
    await vi.waitFor(async () => expect(await recordOf(id)).toMatchObject([{ alert: true }]))
    if (action !== 'suspend') {
      await isListedAt(id, staying()[0] === clients[0] ? 'broker-1' : 'broker-2')
      expect(staying().length).toBe(1)
    }
    await end(...clients)
  })
})

test('what was admitted without the database is settled when it is back', async () => {
  const device = await addDevice('outage', 'keep-oldest')
  await (await connectToSecond(there, device)).endAsync()
  await isListedAt('outage', null)
  const first = await connect(here, device)
  await isListedAt('outage', 'broker-1')
  await gate.close('refuse')
  // The second node can vouch for it, and knows nothing of the first.
  const thief = await vi.waitFor(() => connectToSecond(there, device), 5_000)
  const told = nextEvent(thief, 'disconnect')
  expect(first.connected).toBe(true)
  await gate.open()
  expect(await told).toMatchObject({ reasonCode: 0x87 })
  expect(first.connected).toBe(true)
  await isListedAt('outage', 'broker-1')
  await end(first, thief)
})

test('a node that does not answer delays few, and nobody for long', async () => {
  const lease = { startedAt: new Date(), leaseUntil: new Date(Date.now() + 3_600_000) }
  await muster.db.insert(nodes).values({ name: 'broker-gone', ...lease })
  const metric = async (outcome: string) => {
    const text = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
    return new RegExp(`elsewhere_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1]
  }
  for (const id of ['left-1', 'left-2']) {
    const device = await addDevice(id, 'keep-oldest')
    await muster.db
      .update(devices)
      .set({ node: 'broker-gone', connectedAt: new Date(0) })
      .where(of(id))
    const client = await connect(here, device)
    await isListedAt(id, 'broker-1')
    await client.endAsync()
  }
  expect(await metric('late')).toBe('2')
  await muster.db
    .update(nodes)
    .set({ leaseUntil: new Date(0) })
    .where(eq(nodes.name, 'broker-gone'))
  const device = await addDevice('left-3', 'keep-oldest')
  await muster.db.update(devices).set({ node: 'broker-gone' }).where(of('left-3'))
  await (await connect(here, device)).endAsync()
  expect(await metric('late')).toBe('2')
})

describe('letters between nodes', () => {
  test('a thousand in one turn cost two statements and as many notifications', async () => {
    const at = { db: muster.db, url: muster.databaseUrl, pollMs: 60_000, onError: console.error, contact }
    await using sender = openMail({ ...at, node: 'broker-7', onLetter() {} })
    const heard: string[] = []
    const listening = Promise.withResolvers<void>()
    const rest = { applicationName: 'mail test', onError: console.error, onListening: listening.resolve }
    const onNotification = (_: string, recipient: string) => void heard.push(recipient)
    await using _listener = listenTo({
      url: muster.databaseUrl,
      channels: ['muster_node_mail'],
      onNotification,
      ...rest,
    })
    await listening.promise
    await Promise.all(Array.from({ length: 1_000 }, (_, letter) => sender.post('broker-8', letter)))
    // Behind the others.
    await sender.post('broker-6', 0)
    await vi.waitFor(() => expect(heard).toContain('broker-6'))
    expect(heard.filter((recipient) => recipient === 'broker-8').length).toBe(2)
    const letters: unknown[] = []
    await using _recipient = openMail({ ...at, node: 'broker-8', onLetter: (_, letter) => letters.push(letter) })
    await vi.waitFor(() => expect(letters).toEqual(Array.from({ length: 1_000 }, (_, letter) => letter)), 5_000)
  })

  test('a question whose notification is lost is found, and a later connection is not closed by it', async () => {
    const device = await addDevice('unheard', 'keep-newest')
    const client = await connect(here, device)
    await isListedAt('unheard', 'broker-1')
    const question = {
      kind: 'question',
      id: crypto.randomUUID(),
      fleet: 'fleet-unheard',
      device: 'unheard',
      address: here,
    }
    const rest = { fingerprint: 'ab'.repeat(32), action: 'keep-newest' }
    const post = (letter: object) =>
      muster.db.execute(sql`insert into node_mail (recipient, sender, letter, at)
        values ('broker-1', 'broker-9', ${JSON.stringify(letter)}::jsonb, now())`)
    const answerOf = (letters: number) =>
      vi.waitFor(async () => {
        const found = await muster.db.execute(
          sql`select letter from node_mail where recipient = 'broker-9' order by id`,
        )
        expect(found.rows.length).toBe(letters)
        return found.rows.at(-1)?.letter
      }, 5_000)
    // About a connection that was there before.
    await post({ ...question, ...rest, connectedAt: null, since: 0 })
    expect(await answerOf(2)).toMatchObject({ kind: 'answer', to: question.id, outcome: 'older' })
    expect(client.connected).toBe(true)

    const told = nextEvent(client, 'disconnect')
    await post({ ...question, ...rest, connectedAt: Date.now() + 1_000, since: null })
    expect(await told).toMatchObject({ reasonCode: takenOver })
    await client.endAsync(true)
  })

  test('what is forged or cannot be read does nothing', async () => {
    const device = await addDevice('unharmed', 'keep-newest')
    const client = await connect(here, device)
    for (const payload of ['broker-1', '', 'x'.repeat(7_000), '{"kind":"question"}'])
      await muster.db.execute(sql`select pg_notify('muster_node_mail', ${payload})`)
    for (const letter of ['1', '{}', '{"kind":"question","device":"unharmed"}', '{"kind":"answer","to":"x"}'])
      await muster.db.execute(sql`insert into node_mail (recipient, sender, letter, at)
        values ('broker-1', 'broker-9', ${letter}::jsonb, now())`)
    await vi.waitFor(async () => {
      const { rows } = await muster.db.execute(sql`select from node_mail where recipient = 'broker-1'`)
      expect(rows.length).toBe(0)
    }, 5_000)
    await client.publishAsync('fleets/fleet-unharmed/devices/unharmed/telemetry', 'x', { qos: 1 })
    expect(client.connected).toBe(true)
    await client.endAsync()
  })
})
