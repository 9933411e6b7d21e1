import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'aedes'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultLimits, type Limits } from '../limits.ts'
import { openSessionStore, type SessionStore } from './session-store.ts'
import type { StoredPacket } from './store/packet.ts'

let path: string
let store: SessionStore
let now: Date
const dropped: string[] = []
const failures: unknown[] = []
let written = 0

async function open(limits: Partial<Limits> = {}) {
  store = await openSessionStore({
    path,
    sync: false,
    limits: { ...defaultLimits, ...limits },
    observer: {
      dropped: (why) => dropped.push(why),
      failed: (error) => failures.push(error),
      sessionsWritten(writes) {
        written += writes
      },
    },
    now: () => now,
  })
  await store.setup({ id: 'b', counter: 0, clearDelayedWill() {} })
}
async function reopen(limits: Partial<Limits> = {}) {
  await store[Symbol.asyncDispose]()
  await open(limits)
}

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'muster-store-')), 'sessions')
  now = new Date()
  await open()
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  await rm(join(path, '..'), { recursive: true })
  expect(failures.splice(0)).toEqual([])
  dropped.length = 0
})

let counter = 0
const message = (topic: string, changed: Partial<StoredPacket> = {}): StoredPacket => {
  const name = { cmd: 'publish', brokerId: 'b', brokerCounter: ++counter, topic, payload: Buffer.from(topic) }
  return { ...name, qos: 1, retain: false, dup: false, ...changed }
}
/** A client of aedes whose policy allows everything. */
const client = (id: string) =>
  ({
    id,
    req: { policy: { refuseSubscribe() {}, limits: { subscriptions: 100 } }, filters: new Set(), renewalTopics: {} },
  }) as unknown as Client
async function subscribe(id: string, filter: string, more: object = {}) {
  await store.openSession(id, false)
  await store.addSubscriptions(client(id), [{ topic: filter, qos: 2, ...more }])
}
async function publish(packet: StoredPacket) {
  if (packet.retain) await store.storeRetained(packet)
  await store.outgoingEnqueueCombi(await store.subscriptionsByTopic(packet.topic), packet)
}
const queued = (id: string) => store.queued(id, 0, 1_000)
const topics = (id: string) => queued(id).map(({ topic }) => topic)
async function retained(...filters: string[]) {
  const found: StoredPacket[] = []
  for await (const packet of store.createRetainedStreamCombi(filters)) found.push(packet)
  return found
}

describe('after a restart', () => {
  test('a session is there, with subscriptions or without, and what is queued is in order', async () => {
    await subscribe('f/a', 'x/#', { subscriptionIdentifier: 7 })
    await store.openSession('f/bare', false)
    for (let index = 0; index < 20; index++) await publish(message(`x/${index}`))
    await reopen()
    expect(store.hasSession('f/bare')).toBe(true)
    expect(await store.subscriptionsByClient({ id: 'f/a' })).toMatchObject([{ topic: 'x/#', qos: 2 }])
    expect(topics('f/a')).toEqual(Array.from({ length: 20 }, (_, index) => `x/${index}`))
    expect(queued('f/a')[0]).toMatchObject({ qos: 1, dup: false, properties: { subscriptionIdentifier: [7] } })
    // Numbers go on where they were, so that order stays order.
    const broker = { id: 'b', counter: 0, clearDelayedWill() {} }
    await store.setup(broker)
    expect(broker.counter).toBe(counter)
    await publish(message('x/last'))
    expect(topics('f/a').at(-1)).toBe('x/last')
  })

  test('a message that was sent keeps its packet id and is marked as sent before; a release is still a release', async () => {
    await subscribe('f/a', 'x/#')
    const [one, two, three] = [message('x/1'), message('x/2', { qos: 2 }), message('x/3', { qos: 2 })]
    for (const packet of [one, two, three]) await publish(packet)
    await store.outgoingUpdate({ id: 'f/a' }, { ...one, messageId: 11 })
    await store.outgoingUpdate({ id: 'f/a' }, { ...two, messageId: 12 })
    await store.outgoingUpdate({ id: 'f/a' }, { cmd: 'pubrel', messageId: 12 })
    await reopen()
    expect(queued('f/a')).toMatchObject([
      { cmd: 'publish', topic: 'x/1', messageId: 11, dup: true },
      { cmd: 'pubrel', messageId: 12 },
      { cmd: 'publish', topic: 'x/3', dup: false },
    ])
    for (const messageId of [11, 12]) await store.outgoingClearMessageId({ id: 'f/a' }, { messageId })
    await store.outgoingClearMessageId({ id: 'f/a' }, { brokerCounter: three.brokerCounter })
    await reopen()
    expect(store.counts).toMatchObject({ queued: 0, messages: 0 })
  })

  test('properties are what they were, whatever they are called', async () => {
    await subscribe('f/a', 'x')
    const userProperties = Object.assign(Object.create(null), { ['__proto__']: 'p', a: ['1', '2'] })
    await publish(message('x', { properties: { userProperties, correlationData: Buffer.from([0, 255]) } }))
    await reopen()
    const { properties } = queued('f/a')[0] ?? {}
    expect(Object.entries(properties?.userProperties as object)).toEqual([
      ['__proto__', 'p'],
      ['a', ['1', '2']],
    ])
    expect(properties?.correlationData).toEqual(Buffer.from([0, 255]))
    expect({}).not.toHaveProperty('polluted')
  })

  test('QoS 2 packet ids of a session that is kept are known, those of another are not', async () => {
    await store.openSession('f/kept', false)
    await store.openSession('f/passing', false, { expirySeconds: 0 })
    for (const id of ['f/kept', 'f/passing']) {
      const packet = message('y', { qos: 2, messageId: 5 })
      store.receiving({ id }, packet)
      await store.outgoingEnqueueCombi([], { ...message('y'), properties: packet.properties })
      await store.incomingStorePacket({ id }, packet)
      await expect(store.incomingGetPacket({ id }, packet)).resolves.toBe(packet)
    }
    await reopen()
    await expect(store.incomingGetPacket({ id: 'f/kept' }, { messageId: 5 })).resolves.toBeDefined()
    await expect(store.incomingGetPacket({ id: 'f/passing' }, { messageId: 5 })).rejects.toThrow()
    await store.incomingDelPacket({ id: 'f/kept' }, { messageId: 5 })
    await reopen()
    await expect(store.incomingGetPacket({ id: 'f/kept' }, { messageId: 5 })).rejects.toThrow()
  })

  test('retained messages are there, and those deleted are not', async () => {
    await publish(message('r/1', { retain: true }))
    await publish(message('r/2', { retain: true }))
    await publish(message('r/2', { retain: true, payload: '' }))
    await reopen()
    expect(await retained('#')).toMatchObject([{ topic: 'r/1', payload: Buffer.from('r/1') }])
  })

  test('a session that was purged, or began anew, has nothing left', async () => {
    for (const id of ['f/purged', 'f/fresh', 'f/other']) await subscribe(id, 'x/#')
    await publish(message('x/1'))
    await store.incomingStorePacket({ id: 'f/purged' }, { messageId: 1 })
    await store.purge('f/purged')
    expect(await store.openSession('f/fresh', true)).toBe(false)
    await reopen()
    expect(store.hasSession('f/purged')).toBe(false)
    expect(topics('f/fresh')).toEqual([])
    expect(topics('f/other')).toEqual(['x/1'])
    expect(await store.subscriptionsByTopic('x/1')).toMatchObject([{ clientId: 'f/other' }])
  })
})

test('a purge reaches what is on its way to the disk', async () => {
  await subscribe('f/a', 'x/#')
  const under = [publish(message('x/1')), publish(message('x/2')), subscribe('f/a', 'y/#')]
  await store.purge('f/a')
  await Promise.all(under)
  expect(store.counts).toMatchObject({ sessions: 0, queued: 0, messages: 0 })
  await reopen()
  expect(store.counts).toMatchObject({ sessions: 0, queued: 0, messages: 0 })
  expect(await store.subscriptionsByTopic('x/1')).toEqual([])
})

describe('ends', () => {
  test('a session after its time, counted from the disconnect and across restarts', async () => {
    await subscribe('f/a', 'x/#')
    await subscribe('f/b', 'x/#')
    await store.closeSession('f/a', 60)
    await store.closeSession('f/b', 600)
    now = new Date(now.getTime() + 50_000)
    await reopen()
    expect(store.hasSession('f/a')).toBe(true)
    now = new Date(now.getTime() + 11_000)
    await vi.waitFor(() => expect(store.hasSession('f/a')).toBe(false), 5_000)
    expect(store.hasSession('f/b')).toBe(true)
    now = new Date(now.getTime() + 600_000)
    await reopen()
    expect(store.counts).toMatchObject({ sessions: 0 })
  })

  test('nothing of one that is connected', async () => {
    await subscribe('f/a', 'x/#')
    await store.closeSession('f/a', 1)
    expect(await store.openSession('f/a', false)).toBe(true)
    const ends = subscribe('f/witness', 'x').then(() => store.closeSession('f/witness', 1))
    await ends
    now = new Date(now.getTime() + 10_000)
    await vi.waitFor(() => expect(store.hasSession('f/witness')).toBe(false), 5_000)
    expect(store.hasSession('f/a')).toBe(true)
  })

  test('one with expiry 0 with its connection, and across a crash', async () => {
    await subscribe('f/a', 'x/#')
    expect(await store.openSession('f/a', false, { expirySeconds: 0 })).toBe(true)
    await reopen()
    expect(store.hasSession('f/a')).toBe(false)
  })

  test('messages, queued and retained', async () => {
    await subscribe('f/a', 'x/#')
    await publish(message('x/short', { retain: true, messageExpiry: now.getTime() + 5_000 }))
    await publish(message('x/long', { retain: true, messageExpiry: now.getTime() + 60_000 }))
    now = new Date(now.getTime() + 10_000)
    expect(await retained('#')).toMatchObject([{ topic: 'x/long' }])
    await vi.waitFor(() => expect(store.counts.retained).toBe(1), 5_000)
    await reopen()
    expect(topics('f/a')).toEqual(['x/long'])
    expect(store.counts).toMatchObject({ messages: 1, retained: 1 })
  })
})

describe('bounds', () => {
  test('in messages and bytes: what is queued stays, what expired makes room', async () => {
    await reopen({ queuedMessages: 3, queuedBytes: 1_000 })
    await subscribe('f/a', 'x/#')
    await publish(message('x/old', { messageExpiry: now.getTime() + 1_000 }))
    await Promise.all([2, 3, 4].map((index) => publish(message(`x/${index}`))))
    expect(topics('f/a')).toEqual(['x/old', 'x/2', 'x/3'])
    expect(dropped).toEqual(['queue-full'])
    now = new Date(now.getTime() + 2_000)
    await publish(message('x/5'))
    expect(topics('f/a')).toEqual(['x/2', 'x/3', 'x/5'])
    const removed = queued('f/a')[0]
    await store.outgoingClearMessageId({ id: 'f/a' }, { brokerCounter: removed?.brokerCounter })
    await publish(message('x/large', { payload: Buffer.alloc(1_000) }))
    expect(topics('f/a')).toEqual(['x/3', 'x/5'])
  })

  test('of the session’s own policy', async () => {
    await store.openSession('f/a', false, { queuedMessages: 1 })
    await subscribe('f/b', 'x/#')
    await store.addSubscriptions(client('f/a'), [{ topic: 'x/#', qos: 1 }])
    await reopen()
    for (const topic of ['x/1', 'x/2']) await publish(message(topic))
    expect([topics('f/a').length, topics('f/b').length]).toEqual([1, 2])
  })

  test('of retained messages, each fleet for itself', async () => {
    await reopen({ retainedMessages: 2 })
    const retain = (topic: string, payload = 'x') => publish(message(topic, { retain: true, payload }))
    await retain('fleets/a/1')
    await retain('fleets/a/2')
    await expect(retain('fleets/a/3')).rejects.toMatchObject({ code: 'quota-exceeded' })
    await retain('fleets/a/2', 'again')
    await retain('fleets/b/3')
    await retain('fleets/a/1', '')
    await retain('fleets/a/3')
    expect((await retained('fleets/a/#')).map(({ topic }) => topic).sort()).toEqual(['fleets/a/2', 'fleets/a/3'])
  })

  test('bodies beyond the memory that they may take are read from disk', async () => {
    await reopen({ queueMemoryBytes: 100 })
    await subscribe('f/a', 'x/#')
    for (let index = 0; index < 50; index++) await publish(message(`x/${index}`, { payload: `payload ${index}` }))
    expect(queued('f/a').map(({ payload }) => payload.toString())).toEqual(
      Array.from({ length: 50 }, (_, index) => `payload ${index}`),
    )
  })
})

test('without room on the disk nothing is added; what was acknowledged goes, and makes room', async () => {
  await subscribe('f/a', 'x/#')
  const first = message('x/1')
  await publish(first)
  await publish(message('r', { retain: true }))
  await reopen({ diskReserveBytes: Number.MAX_SAFE_INTEGER })
  const refusal = { code: 'quota-exceeded' }
  await expect(publish(message('x/2'))).rejects.toMatchObject(refusal)
  await expect(publish(message('r/2', { retain: true }))).rejects.toMatchObject(refusal)
  await expect(store.addSubscriptions(client('f/a'), [{ topic: 'y', qos: 1 }])).rejects.toMatchObject(refusal)
  expect(store.isWritable).toBe(false)
  // What takes no room to speak of: a device with a will gets in, and a packet id is not forgotten.
  await store.putWill(client('f/a'), message('gone'))
  await store.incomingStorePacket({ id: 'f/a' }, { messageId: 1 })
  expect(store.isReceived('f/a', 1)).toBe(true)
  expect(topics('f/a')).toEqual(['x/1'])
  expect(await store.subscriptionsByTopic('y')).toEqual([])
  await store.outgoingClearMessageId({ id: 'f/a' }, first)
  await publish(message('r', { retain: true, payload: '' }))
  await reopen()
  expect(store.counts).toMatchObject({ queued: 0, messages: 0, retained: 0 })
  await publish(message('x/3'))
  expect(topics('f/a')).toEqual(['x/3'])
})

test('one copy for a session whose filters overlap; not for who published it and said so', async () => {
  await subscribe('f/a', 'x/#', { qos: 1, subscriptionIdentifier: 1 })
  await subscribe('f/a', 'x/+', { qos: 2, subscriptionIdentifier: 2, rap: true })
  await subscribe('f/b', 'x/1', { nl: true })
  await publish(message('x/1', { qos: 2, retain: true, clientId: 'f/b' }))
  expect(queued('f/a')).toMatchObject([{ qos: 2, retain: true, properties: { subscriptionIdentifier: [1, 2] } }])
  expect(queued('f/b')).toEqual([])
})

test('what very many get leaves others their turns, is stored once, and is not overtaken', async () => {
  const ids = Array.from({ length: 5_500 }, (_, index) => `f/${index}`)
  await Promise.all(ids.map((id) => subscribe(id, 'all')))
  let turns = 0
  let isDone = false
  const others = () => {
    turns += 1
    if (!isDone) setImmediate(others)
  }
  setImmediate(others)
  const published = [publish(message('all', { payload: 'first' })), publish(message('all', { payload: 'second' }))]
  // Who is done with it early takes nothing from those who come late.
  await vi.waitFor(() => expect(queued('f/0').length).toBeGreaterThan(0), { interval: 1 })
  await store.outgoingClearMessageId({ id: 'f/0' }, { brokerCounter: queued('f/0')[0]?.brokerCounter })
  await store.purge('f/5499')
  await Promise.all(published)
  isDone = true
  expect(turns).toBeGreaterThan(8)
  const texts = (id: string) => queued(id).map(({ payload }) => payload.toString())
  expect(texts('f/0')).toEqual(['second'])
  for (const id of ids.slice(1, -1)) expect(texts(id)).toEqual(['first', 'second'])
  await reopen()
  expect(store.counts).toMatchObject({ sessions: 5_499, queued: 10_997, messages: 2 })
  for (const id of ids.slice(0, -1))
    for (const { brokerCounter } of queued(id)) await store.outgoingClearMessageId({ id }, { brokerCounter })
  await reopen()
  expect(store.counts).toMatchObject({ queued: 0, messages: 0 })
}, 30_000)

test('a publication to nobody does not touch the disk', async () => {
  await subscribe('f/a', 'x/#')
  written = 0
  for (let index = 0; index < 10; index++) await publish(message('nobody/1'))
  await publish(message('x/1'))
  // The message and the entry of the queue.
  expect(written).toBe(2)
})
