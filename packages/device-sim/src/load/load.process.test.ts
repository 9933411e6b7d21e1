import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestBroker, type TestBroker } from '@muster/device/testing'
import { createTestCa, poolKey, type TestCa } from '@muster/pki/testing'
import { beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Identity } from './commands.ts'
import { loadIdentities } from './load-identities.ts'
import { type Load, openLoad } from './open-load.ts'

const devices = 6
let ca: TestCa
let broker: TestBroker
let identities: Identity[]
let load: Load
const all = { from: 0, to: devices }

beforeAll(async () => {
  ca = await createTestCa()
  identities = await Promise.all(Array.from({ length: devices }, (_, index) => issue(`load-${index}`, index)))
})
beforeEach(async () => {
  broker = await startTestBroker(ca)
  const target = {
    host: '127.0.0.1',
    port: Number(new URL(broker.url).port),
    servername: 'localhost',
    ca: String(ca.root),
  }
  load = await openLoad({ target, identities, workers: 2, addresses: 3 })
  return async () => {
    await load[Symbol.asyncDispose]()
    await broker[Symbol.asyncDispose]()
  }
})

async function issue(id: string, index: number): Promise<Identity> {
  const key = await poolKey('p256', index)
  const { pem } = await ca.issue({ device: id }, key)
  return { id, key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: pem + ca.issuer.certificate }
}

test.each([4, 5] as const)(
  'connects with certificates of its own, from several addresses (level %i)',
  async (version) => {
    const outcome = await load.connect({ ...all, concurrency: 4, version })
    expect(outcome).toEqual({ connected: devices, resumed: 0, failures: {} })
    expect(broker.connections.map(({ connect }) => connect.clientId).sort()).toEqual(identities.map(({ id }) => id))
    expect(new Set(broker.connections.map(({ socket }) => socket.remoteAddress))).toEqual(
      new Set(['127.0.0.2', '127.0.0.3', '127.0.0.4']),
    )
    expect(await load.close({ from: 0, to: 4 })).toBe(4)
    await vi.waitFor(() => expect(broker.goodbyes).toBe(4))
    expect(await load.closings()).toEqual([])
  },
)

test('full and resumed handshakes, as asked for', async () => {
  expect(await load.churn({ ...all, concurrency: 2, rounds: 2 })).toMatchObject({ connected: 12, resumed: 0 })
  expect(await load.churn({ ...all, concurrency: 2, rounds: 1, resume: true })).toMatchObject({ resumed: 0 })
  expect(await load.churn({ ...all, concurrency: 2, rounds: 2, resume: true })).toMatchObject({ resumed: 12 })
  expect(broker.connections.filter(({ resumed }) => resumed).length).toBe(12)
})

test('says why nobody was let in', async () => {
  broker.script = [5, 'drop']
  const { connected, failures } = await load.connect({ ...all, concurrency: 2 })
  expect(connected).toBe(devices - 2)
  expect(failures['refused:5']).toBe(1)
  expect(Object.keys(failures)).toHaveLength(2)
})

test.each([4, 5] as const)('publishes with windows, every message counted once (level %i)', async (version) => {
  await load.connect({ ...all, concurrency: 4, version })
  const topic = 'fleets/default/devices/{id}/telemetry/{n}'
  const outcome = await load.publish({ ...all, topic, qos: 1, payloadBytes: 50, window: 20, forMs: 200 })
  expect(outcome.acknowledged).toBeGreaterThan(devices * 20)
  expect(outcome.acknowledged).toBeLessThanOrEqual(outcome.sent)
  expect(outcome.latency.count).toBe(outcome.acknowledged)
  expect(outcome.unanswered).toBe(0)
  // What was on its way at the end of the time has been waited for.
  expect(broker.published.length).toBe(outcome.sent)
  expect(await load.counts()).toMatchObject({ sent: outcome.sent, acknowledged: outcome.sent })
  const last = broker.published.at(-1)
  expect(last?.topic).toMatch(/^fleets\/default\/devices\/load-(\d)\/telemetry\/\1$/)
  const inOneConnection = broker.published.filter(({ topic }) => topic.endsWith('/0')).map(({ messageId }) => messageId)
  expect(new Set(inOneConnection).size).toBe(Math.min(inOneConnection.length, 65_535))
})

test('subscribes, counts what comes and acknowledges it', async () => {
  await load.connect({ ...all, concurrency: 4 })
  expect(await load.subscribe({ ...all, filter: 'commands/{id}', qos: 1 })).toEqual({ granted: devices, refused: 0 })
  const acknowledged = vi.fn()
  for (const { send, socket } of broker.connections.slice(0, 2)) {
    socket.on('data', acknowledged)
    const message = { cmd: 'publish', topic: 'x', payload: 'p', retain: false, dup: false } as const
    send({ ...message, qos: 0 })
    send({ ...message, qos: 1, messageId: 9 })
  }
  await vi.waitFor(async () => expect((await load.counts()).received).toEqual([2, 2]))
  await vi.waitFor(() => expect(acknowledged.mock.calls.map(([bytes]) => [...bytes])).toContainEqual([0x40, 2, 0, 9]))
  const heard = await load.heard()
  expect(heard.map(({ count }) => count)).toEqual([2, 2])
})

test('paces messages until it is stopped, and tells when a connection was ended', async () => {
  await load.connect({ ...all, concurrency: 4 })
  await load.startPaced({ ...all, topic: 't/{id}', qos: 1, payloadBytes: 10, everyMs: 40 })
  await vi.waitFor(() => expect(new Set(broker.published.map(({ topic }) => topic)).size).toBe(devices))
  const before = process.hrtime.bigint()
  broker.connections[0]?.socket.destroy()
  await vi.waitFor(async () => expect(await load.closings()).toHaveLength(1))
  const [closing] = await load.closings()
  expect(closing?.id).toBe(broker.connections[0]?.connect.clientId)
  expect(closing?.at).toBeGreaterThan(before)
  expect(closing?.at).toBeLessThan(process.hrtime.bigint())
  await load.stopPaced()
  const { sent } = await load.counts()
  await vi.waitFor(async () => expect((await load.counts()).acknowledged).toBeGreaterThan(sent - 20))
  expect((await load.counts()).sent).toBe(sent)
})

test('identities of a folder', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'muster-load-'))
  for (const { id, key, cert } of identities.slice(0, 2)) {
    await writeFile(join(directory, `${id}.key`), key)
    await writeFile(join(directory, `${id}.crt`), cert)
  }
  expect(await loadIdentities(directory)).toEqual(identities.slice(0, 2))
  await rm(directory, { recursive: true })
})
