import { Policy } from '@muster/contracts'
import { changes, devices, fleets, policies } from '@muster/db'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker()
  await muster.db.insert(fleets).values({ name: 'default', createdAt: new Date() }).onConflictDoNothing()
})
afterAll(() => muster?.[Symbol.asyncDispose]())

const topic = 'open/queued'
let version = 0

/** As the provisioner saves a version; answers when the node has acted on it. */
async function save(limits: { queuedMessages?: number; queuedBytes?: string }) {
  version += 1
  const document = Policy.parse({ name: 'queues', allow: [{ subscribe: ['open/#'] }], limits })
  const values = { fleet: 'default', name: 'queues', version, document, createdAt: new Date() }
  const seq = await muster.db.transaction(async (tx) => {
    const target = [policies.fleet, policies.name]
    await tx.insert(policies).values(values).onConflictDoUpdate({ target, set: values })
    const change = { kind: 'policy', fleet: 'default', policy: 'queues', at: new Date() } as const
    const [row] = await tx.insert(changes).values(change).returning({ seq: changes.seq })
    await tx.execute(sql`select pg_notify('muster_changes', ${String(row?.seq)})`)
    return String(row?.seq)
  })
  return muster.receipt(seq)
}

async function metric(line: RegExp) {
  const text = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  return Number(line.exec(text)?.[1] ?? 0)
}
const dropped = () => metric(/^muster_broker_messages_dropped_total\{why="queue-full"\} (\d+)/m)
const queued = () => metric(/^muster_broker_kept\{what="queued"\} (\d+)/m)

test('a live connection’s queue has the bounds of its policy as they are now, and keeps them when it has gone', async () => {
  await save({ queuedMessages: 3 })
  const device = await muster.addDevice('hoarder')
  await muster.db.update(devices).set({ policy: 'queues' }).where(eq(devices.id, 'hoarder'))
  const speaker = await muster.addDevice('speaker', { profile: 'service' })
  await muster.db.update(devices).set({ policy: 'speaker' }).where(eq(devices.id, 'speaker'))
  const may = Policy.parse({ name: 'speaker', allow: [{ publish: ['open/#'] }] })
  const own = { fleet: 'default', name: 'speaker', version: 1, document: may, createdAt: new Date() }
  await muster.db.insert(policies).values(own)

  // Acknowledges nothing: what it got stays in its queue.
  const open = async () => {
    const socket = await muster.openTls(device)
    const client = rawClient(socket, 5)
    client.connect('hoarder', { clean: false, properties: { sessionExpiryInterval: 3_600 } })
    await client.next('connack')
    return { ...client, socket }
  }
  const client = await open()
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  await client.next('suback')
  const sender = await muster.connect(speaker, { protocolVersion: 5 })
  const publish = async (count: number, payload = 'x') => {
    const before = await dropped()
    for (let index = 0; index < count; index++) await sender.publishAsync(topic, payload, { qos: 1 })
    return (await dropped()) - before
  }
  expect(await publish(5)).toBe(2)

  expect(await save({ queuedMessages: 6 })).toMatchObject({ sessionsChanged: 1, subscriptionsCut: 0 })
  expect(await publish(5)).toBe(2)
  expect(client.socket.destroyed).toBe(false)

  await save({ queuedMessages: 10, queuedBytes: '2KiB' })
  expect(await publish(2, 'x'.repeat(1_500))).toBe(1)

  // Nothing that is queued is taken back; more there will not be.
  await save({ queuedMessages: 2 })
  expect(await publish(3)).toBe(3)
  expect(await queued()).toBe(7)
  client.socket.destroy()
  await client.closed
  expect(await publish(1)).toBe(1)

  // On disk too.
  await sender.endAsync(true)
  await muster.broker[Symbol.asyncDispose]()
  await muster.start()
  const again = await muster.connect(speaker, { protocolVersion: 5 })
  await again.publishAsync(topic, 'x', { qos: 1 })
  expect(await queued()).toBe(7)
  await again.endAsync(true)

  // Without bounds of its own it has those of the node.
  const back = await open()
  await save({})
  const last = await muster.connect(speaker, { protocolVersion: 5 })
  await last.publishAsync(topic, 'x', { qos: 1 })
  await vi.waitFor(async () => expect(await queued()).toBe(8), 5_000)
  back.socket.destroy()
  await last.endAsync(true)
})
