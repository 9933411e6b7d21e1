import { type ChangeKind, Policy } from '@muster/contracts'
import { changes, devices, fleets, groups, policies, type Tx } from '@muster/db'
import { and, eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createRegistry } from '../admission/registry.ts'
import { openClock } from '../contact/clock.ts'
import { nextEvent } from '../testing/clients.ts'
import { startTestBroker, type TestBroker } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker()
  await muster.db.insert(fleets).values({ name: 'default', createdAt: new Date() }).onConflictDoNothing()
})
afterAll(() => muster?.[Symbol.asyncDispose]())

const topic = (name: string) => `open/${name}`
const document = (name: string, filters: string[]) =>
  Policy.parse({ name, allow: [{ publish: filters }, { subscribe: filters }] })

/** As the provisioner saves a version. */
async function save(name: string, version: number, filters: string[]): Promise<string> {
  const values = { fleet: 'default', name, version, document: document(name, filters), createdAt: new Date() }
  return muster.db.transaction(async (tx) => {
    const target = [policies.fleet, policies.name]
    await tx.insert(policies).values(values).onConflictDoUpdate({ target, set: values })
    return announce(tx, { kind: 'policy', policy: name })
  })
}

async function announce(tx: Tx, change: { kind: ChangeKind; policy?: string; group?: string; device?: string }) {
  const values = { fleet: 'default', at: new Date(), ...change }
  const [row] = await tx.insert(changes).values(values).returning({ seq: changes.seq })
  await tx.execute(sql`select pg_notify('muster_changes', ${String(row?.seq)})`)
  return String(row?.seq)
}

const isDevice = (id: string) => and(eq(devices.fleet, 'default'), eq(devices.id, id))
const attach = (id: string, policy: string) => muster.db.update(devices).set({ policy }).where(isDevice(id))
const someoneWaits = (tx: Tx) =>
  vi.waitFor(async () => {
    const { rows } = await tx.execute(
      sql`select from pg_locks theirs join pg_locks ours using (locktype, transactionid)
        where locktype = 'transactionid' and not theirs.granted and ours.granted and ours.pid = pg_backend_pid()`,
    )
    expect(rows).toHaveLength(1)
  }, 5_000)

describe('a change of policy', () => {
  test('reaches those under it and nobody else, with a receipt that says so', async () => {
    await save('p', 1, [topic('#')])
    const [under, beside] = [await muster.addDevice('under'), await muster.addDevice('beside')]
    await attach('under', 'p')
    const client = await muster.connect(under, { protocolVersion: 5 })
    const other = await muster.connect(beside, { protocolVersion: 5 })
    await client.subscribeAsync([topic('a/#'), topic('b')], { qos: 1 })
    const told = nextEvent(client, 'disconnect')
    const receipt = await muster.receipt(await save('p', 2, [topic('a/#')]))
    expect(receipt).toMatchObject({
      sessionsChanged: 1,
      subscriptionsCut: 1,
      connectionsClosed: 1,
      sessionPurged: false,
    })
    expect(await told).toMatchObject({ reasonCode: 0x87 })
    expect(other.connected).toBe(true)
    await other.endAsync()
  })

  test('that allows more is in force without anybody being disturbed', async () => {
    await save('grows', 1, [topic('a')])
    const device = await muster.addDevice('grower')
    await attach('grower', 'grows')
    const client = await muster.connect(device, { protocolVersion: 5 })
    await client.subscribeAsync(topic('a'), { qos: 1 })
    await expect(client.publishAsync(topic('b'), 'x', { qos: 1 })).rejects.toMatchObject({ code: 0x87 })
    const receipt = await muster.receipt(await save('grows', 2, [topic('#')]))
    expect(receipt).toMatchObject({ sessionsChanged: 1, subscriptionsCut: 0, connectionsClosed: 0 })
    await client.publishAsync(topic('b'), 'x', { qos: 1 })
    await client.endAsync()
  })

  test('with fewer subscriptions keeps the first ones', async () => {
    const save1 = (version: number, subscriptions: number) => {
      const limited = Policy.parse({ name: 'few', allow: [{ subscribe: ['open/#'] }], limits: { subscriptions } })
      return muster.db.transaction(async (tx) => {
        const values = { fleet: 'default', name: 'few', version, document: limited, createdAt: new Date() }
        await tx
          .insert(policies)
          .values(values)
          .onConflictDoUpdate({ target: [policies.fleet, policies.name], set: values })
        return announce(tx, { kind: 'policy', policy: 'few' })
      })
    }
    await save1(1, 5)
    const device = await muster.addDevice('hoarder')
    await attach('hoarder', 'few')
    const client = await muster.connect(device)
    for (const name of ['a', 'b', 'c', 'd']) await client.subscribeAsync(topic(name))
    expect(await muster.receipt(await save1(2, 1))).toMatchObject({ subscriptionsCut: 3 })
    await client.endAsync(true)
  })

  test('a policy that cannot be read lets nobody stay', async () => {
    await save('broken', 1, [topic('#')])
    const device = await muster.addDevice('stranded')
    await attach('stranded', 'broken')
    const client = await muster.connect(device)
    const closed = nextEvent(client, 'close')
    const seq = await muster.db.transaction(async (tx) => {
      const set = { version: 2, document: { name: 'broken', allow: 'all' } as never }
      await tx.update(policies).set(set).where(eq(policies.name, 'broken'))
      return announce(tx, { kind: 'policy', policy: 'broken' })
    })
    expect(await muster.receipt(seq)).toMatchObject({ connectionsClosed: 1 })
    await closed
  })

  test('one whose notification never comes is found all the same', async () => {
    await save('silent', 1, [topic('#')])
    const device = await muster.addDevice('deaf')
    await attach('deaf', 'silent')
    const client = await muster.connect(device, { protocolVersion: 5 })
    const set = { version: 2, document: document('silent', [topic('a')]) }
    await muster.db.update(policies).set(set).where(eq(policies.name, 'silent'))
    await muster.db.insert(changes).values({ kind: 'policy', fleet: 'default', policy: 'silent', at: new Date() })
    await vi.waitFor(
      () => expect(client.publishAsync(topic('b'), 'x', { qos: 1 })).rejects.toMatchObject({ code: 0x87 }),
      10_000,
    )
    await client.endAsync(true)
  })
})

test('a connection that is being judged while a policy changes gets the new one', async () => {
  await save('race', 1, [topic('#')])
  const old = await muster.addDevice('racer')
  await attach('racer', 'race')
  const renewed = await muster.renewDevice(old)
  let connecting: ReturnType<TestBroker['connect']> | undefined
  await muster.db.transaction(async (tx) => {
    // Held up after its look-up: the promotion of its certificate waits for the device's row.
    await tx.select().from(devices).where(isDevice('racer')).for('update')
    connecting = muster.connect(renewed, { protocolVersion: 5 })
    connecting.catch(() => {})
    await someoneWaits(tx)
    await muster.receipt(await save('race', 2, [topic('a')]))
  })
  const client = await connecting
  await client?.publishAsync(topic('a'), 'x', { qos: 1 })
  await expect(client?.publishAsync(topic('b'), 'x', { qos: 1 })).rejects.toMatchObject({ code: 0x87 })
  await client?.endAsync()
})

test('a change of policy that is not acted on keeps nobody out, a suspension does', async () => {
  const device = await muster.addDevice('waiting')
  const registry = createRegistry({ db: muster.db, node: 'node-that-does-nothing', clock: openClock() })
  const isPending = async () => (await registry.find(device.serial))?.changePending
  for (const kind of ['policy', 'group'] as const)
    await muster.db.insert(changes).values({ kind, fleet: 'default', device: 'waiting', at: new Date() })
  expect(await isPending()).toBe(false)
  await muster.db.insert(changes).values({ kind: 'suspend', fleet: 'default', device: 'waiting', at: new Date() })
  expect(await isPending()).toBe(true)
})

test('retained and queued messages of the group before do not reach a device that was moved', async () => {
  const news = (group: string) => `fleets/default/groups/${group}/broadcast/news`
  const service = await muster.connect(await muster.addDevice('speaker', { profile: 'service' }))
  const device = await muster.addDevice('moved', { group: 'north' })
  const kept = { clean: false, protocolVersion: 4 } as const
  const client = await muster.connect(device, kept)
  await client.subscribeAsync([news('north'), 'fleets/default/devices/moved/commands/#'], { qos: 1 })
  await client.endAsync()
  await service.publishAsync(news('north'), 'secret', { qos: 1, retain: true })
  await muster.db.insert(groups).values({ fleet: 'default', name: 'south', createdAt: new Date() })
  const seq = await muster.db.transaction(async (tx) => {
    await tx.update(devices).set({ group: 'south' }).where(isDevice('moved'))
    return announce(tx, { kind: 'group', device: 'moved' })
  })
  await muster.receipt(seq)
  await service.publishAsync('fleets/default/devices/moved/commands/marker', 'x', { qos: 1 })
  const heard: string[] = []
  const back = await muster.connect(device, { ...kept, reconnectPeriod: 0 })
  back.on('message', (name) => heard.push(name))
  await service.publishAsync('fleets/default/devices/moved/commands/marker', 'again', { qos: 1 })
  await vi.waitFor(() => expect(heard).toContain('fleets/default/devices/moved/commands/marker'))
  expect(heard).not.toContain(news('north'))
  await Promise.all([back.endAsync(true), service.endAsync(true)])
})

test('a will that waits is judged by the policy of its day, not of the day it was made', async () => {
  await save('will', 1, [topic('#'), 'fleets/default/devices/+/state'])
  const listener = await muster.connect(await muster.addDevice('listener', { profile: 'service' }))
  const heard: string[] = []
  listener.on('message', (name) => heard.push(name))
  await listener.subscribeAsync('fleets/default/devices/+/state', { qos: 1 })
  const will = (id: string) => ({
    topic: `fleets/default/devices/${id}/state`,
    payload: Buffer.from('gone'),
    ...{ qos: 1 as const, retain: false, properties: { willDelayInterval: 1 } },
  })
  const leave = async (id: string) => {
    const device = await muster.addDevice(id)
    await attach(id, 'will')
    const properties = { sessionExpiryInterval: 60 }
    const client = await muster.connect(device, { protocolVersion: 5, clean: false, properties, will: will(id) })
    const closed = nextEvent(client, 'close')
    client.stream.destroy()
    await closed
  }
  await leave('mourned')
  await vi.waitFor(() => expect(heard).toContain('fleets/default/devices/mourned/state'), 10_000)
  await leave('denied')
  await muster.receipt(await save('will', 2, [topic('#')]))
  // Refused when it is due: that is on record, and nobody has heard of it.
  await vi.waitFor(async () => expect(await muster.refusals('denied')).toContain('publish-denied'), 10_000)
  expect(heard).not.toContain('fleets/default/devices/denied/state')
  await listener.endAsync(true)
})

test('a shared subscription ends for the member that may not have it any more, and goes on for the others', async () => {
  await save('sharing', 1, [topic('#')])
  await save('narrow', 1, [topic('#')])
  const speaker = await muster.addDevice('share-speaker', { profile: 'service' })
  const members = [
    await muster.addDevice('member-1', { profile: 'service' }),
    await muster.addDevice('member-2', { profile: 'service' }),
  ]
  await attach('share-speaker', 'sharing')
  await attach('member-1', 'narrow')
  await attach('member-2', 'sharing')
  const kept = { protocolVersion: 5, clean: false, properties: { sessionExpiryInterval: 60 } } as const
  const [first, second, publisher] = await Promise.all([
    ...members.map((member) => muster.connect(member, kept)),
    muster.connect(speaker, { protocolVersion: 5 }),
  ])
  for (const client of [first, second]) await client?.subscribeAsync(`$share/work/${topic('jobs')}`, { qos: 1 })
  const receipt = await muster.receipt(await save('narrow', 2, [topic('else')]))
  expect(receipt).toMatchObject({ sessionsChanged: 1, subscriptionsCut: 1 })
  let heard = 0
  second?.on('message', () => {
    heard += 1
  })
  for (let job = 0; job < 10; job++) await publisher?.publishAsync(topic('jobs'), 'x', { qos: 1 })
  await vi.waitFor(() => expect(heard).toBe(10), 5_000)
  await Promise.all([first, second, publisher].map((client) => client?.endAsync(true)))
})
