import { expect, test, vi } from 'vitest'
import { connect } from './connect.ts'
import { enrol } from './enrol.ts'
import { keepRenewed, type RenewalEvent } from './keep-renewed.ts'
import { memoryStore } from './store/memory-store.ts'
import { startTestBroker } from './testing/broker.ts'
import { problem, startTestProvisioner } from './testing/provisioner.ts'
import { serialOf } from './testing/registry.ts'

const quick = { minMs: 1, maxMs: 20 }
const patient = { timeout: 8_000, interval: 5 }

async function startDevice() {
  const server = await startTestProvisioner()
  // Short-lived: less patience with every request.
  server.validityMs = 60_000
  const broker = await startTestBroker(server.ca)
  server.mqttUrl = broker.url
  broker.judge = (certificate) => ('code' in server.registry.use(certificate.serialNumber.toLowerCase()) ? 0x87 : 0)
  broker.relay = (device, proof) => server.renewByProof(device, proof)
  const store = memoryStore()
  const enrolment = await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1', ...quick })
  const events: RenewalEvent[] = []
  const onEvent = (event: RenewalEvent) => void events.push(event)
  return {
    ...{ server, broker, store, enrolment, events, onEvent },
    /** The window of every certificate opens `afterMs` from when it is asked for. */
    openWindow: (afterMs: number, lengthMs = 20) => {
      const start = Date.now() + afterMs
      server.window = { start: new Date(start), end: new Date(start + lengthMs) }
    },
    count: (type: RenewalEvent['type']) => events.filter((event) => event.type === type).length,
    serial: async () => serialOf((await store.loadEnrolment())?.enrolment ?? enrolment),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await broker[Symbol.asyncDispose]()
    },
  }
}

test.each([false, true])('the connection changes over to the new certificate (new key: %s)', async (newKey) => {
  await using device = await startDevice()
  const { store, broker, server, onEvent } = device
  const client = await connect({ store, will: { topic: 'gone', payload: 'x' } })
  device.openWindow(10)
  const before = await store.loadKey()
  await using _ = keepRenewed({ store, client, onEvent, newKey, ...quick })
  await vi.waitFor(() => expect(device.count('admitted')).toBe(1), patient)
  server.window = undefined
  const serial = await device.serial()
  expect(serial).not.toBe(serialOf(device.enrolment))
  expect(broker.connections.map((connection) => connection.serial)).toEqual([serialOf(device.enrolment), serial])
  expect(broker.goodbyes, 'no will of the connection that was left').toBe(1)
  expect((await store.loadKey()) === before).toBe(!newKey)
  expect(server.registry.states.get(serial)).toBe('active')
  expect(client.connected).toBe(true)
  await client.endAsync()
})

test('without a client the provisioner is told that the certificate has arrived', async () => {
  await using device = await startDevice()
  device.openWindow(0)
  await using _ = keepRenewed({ store: device.store, onEvent: device.onEvent, ...quick })
  await vi.waitFor(() => expect(device.count('admitted')).toBeGreaterThan(0), patient)
  device.server.window = undefined
  expect([...device.server.registry.states.values()]).not.toContain('revoked')
  expect(device.server.registry.states.get(serialOf(device.enrolment))).toBe('superseded')
})

test('three lifetimes while publishing: every reading arrives', async () => {
  await using device = await startDevice()
  const { store, broker, onEvent } = device
  const client = await connect({ store, maxReconnectMs: 20 })
  device.openWindow(0)
  const acknowledged: number[] = []
  let seq = 0
  const publishing = setInterval(() => {
    const number = seq++
    client.publish('t', String(number), { qos: 1 }, (error) => void (!error && acknowledged.push(number)))
  }, 2)
  {
    await using _ = keepRenewed({ store, client, onEvent, ...quick })
    await vi.waitFor(() => expect(device.count('admitted')).toBeGreaterThanOrEqual(3), patient)
  }
  clearInterval(publishing)
  await vi.waitFor(() => expect(acknowledged).toHaveLength(seq), patient)
  const arrived = new Set(
    broker.published.filter(({ topic }) => topic === 't').map(({ payload }) => payload.toString()),
  )
  expect(arrived.size).toBe(seq)
  await client.endAsync()
})

test('the window is random, and the server may pull it forward', async () => {
  await using device = await startDevice()
  const { server, store, onEvent } = device
  await using _ = keepRenewed({ store, onEvent, pollMs: 10, ...quick })
  await vi.waitFor(() => expect(server.bodies.length).toBeGreaterThan(6), patient)
  expect(device.events).toEqual([])
  device.openWindow(0)
  await vi.waitFor(() => expect(device.count('admitted')).toBeGreaterThan(0), patient)
})

test('a broker that refuses the new certificate gets the old one, until it takes the new', async () => {
  await using device = await startDevice()
  const { store, broker, server, onEvent } = device
  const client = await connect({ store, maxReconnectMs: 20 })
  const old = serialOf(device.enrolment)
  let ready = false
  broker.judge = ({ serialNumber }) => (serialNumber.toLowerCase() === old || ready ? 0 : 0x87)
  server.script.renewal.push(({ answer, reply }) => answer().then(({ status, body }) => reply(status, body)))
  device.openWindow(0, 1)
  // From here on, nobody but the broker can be asked to take note.
  const unavailable = Array.from(
    { length: 1_000 },
    () =>
      ({ reply }: { reply: (status: number, body: unknown) => void }) =>
        reply(503, problem('unavailable', 503)),
  )
  server.script.renewal.push(...unavailable)
  await using _ = keepRenewed({ store, client, onEvent, ...quick })
  const refusedThenBack = () =>
    broker.connections.some(({ code }, index) => code === 0x87 && broker.connections[index + 1]?.serial === old)
  await vi.waitFor(() => expect(refusedThenBack()).toBe(true), patient)
  expect(await device.serial()).toBe(old)
  ready = true
  await vi.waitFor(() => expect(device.count('admitted')).toBe(1), patient)
  expect(await device.serial()).not.toBe(old)
  await client.endAsync()
})

test('over MQTT while the provisioner is away', async () => {
  await using device = await startDevice()
  const { store, server, onEvent, events } = device
  const client = await connect({ store })
  const stored = await store.loadEnrolment()
  if (!stored) throw new Error('not enrolled')
  const renewAfter = new Date(Date.now() - 1_000).toISOString()
  await server[Symbol.asyncDispose]()
  await store.saveEnrolment({ ...stored, enrolment: { ...stored.enrolment, renewAfter, notAfter: renewAfter } })
  await using _ = keepRenewed({ store, client, onEvent, ...quick })
  await vi.waitFor(() => expect(device.count('admitted')).toBe(1), patient)
  expect(events).toContainEqual(expect.objectContaining({ type: 'renewed', by: 'mqtt' }))
  await client.endAsync()
})

test('failures are told, and it goes on: refusals, and a store whose disk is full', async () => {
  await using device = await startDevice()
  const { server, onEvent, events } = device
  let full = 2
  const store = {
    ...device.store,
    saveNext: async (next: Parameters<typeof device.store.saveNext>[0]) => {
      if (full-- > 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      await device.store.saveNext(next)
    },
  }
  server.script.renew.push(({ reply }) => reply(403, problem('device-suspended', 403)))
  server.script.renew.push(({ reply }) => reply(503, problem('unavailable', 503), { 'retry-after': '0' }))
  device.openWindow(0)
  await using _ = keepRenewed({ store, onEvent, ...quick })
  await vi.waitFor(() => expect(device.count('admitted')).toBeGreaterThan(0), patient)
  const codes = events.flatMap((event) => (event.type === 'failed' ? [event.error.code] : []))
  expect(codes).toEqual(['device-suspended', 'unavailable', 'internal', 'internal'])
  expect([...server.registry.states.values()].filter((state) => state === 'active')).toHaveLength(1)
})

test('a provisioner that wants every certificate renewed at once is asked ever more rarely', async () => {
  await using device = await startDevice()
  device.openWindow(-60_000)
  await using _ = keepRenewed({ store: device.store, onEvent: device.onEvent, minMs: 100, maxMs: 60_000 })
  const startedAt = performance.now()
  await vi.waitFor(() => expect(device.count('admitted')).toBe(4), patient)
  // 50 + 100 + 200: the least that three pauses, each twice as long as the one before, can be.
  expect(performance.now() - startedAt).toBeGreaterThan(350)
})

test('it ends at once, whatever it waits for', async () => {
  await using device = await startDevice()
  const waiting = keepRenewed({ store: device.store })
  await waiting[Symbol.asyncDispose]()
  const empty = keepRenewed({ store: memoryStore(), onEvent: device.onEvent })
  await vi.waitFor(() => expect(device.count('failed')).toBe(1), patient)
  await empty[Symbol.asyncDispose]()
})
