import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  connect,
  type DeviceStore,
  enrol,
  keepRenewed,
  memoryStore,
  openStore,
  type RenewalEvent,
  renew,
} from '@muster/device'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

const lifeSeconds = 30
let stack: Stack
beforeAll(async () => {
  stack = await startStack()
  await stack.process('provisioner').kill()
  await stack.start('provisioner', { MUSTER_CERTIFICATE_VALIDITY: `${lifeSeconds}s` })
})

/** Devices that enrol before the other tests begin, and come back when their certificates have ended. */
const late: Record<'http-1' | 'mqtt-1' | 'strict-1', DeviceStore> = {
  'http-1': memoryStore(),
  'mqtt-1': memoryStore(),
  'strict-1': memoryStore(),
}
beforeAll(async () => {
  for (const fleet of ['lenient', 'strict']) await stack.api('/v1/fleets', { body: { name: fleet } })
  await stack.api('/v1/fleets/lenient', { method: 'PATCH', body: { lateRenewalDays: 1 } })
  for (const device of ['http-1', 'mqtt-1'] as const) await enrolDevice(device, late[device], 'lenient')
  await enrolDevice('strict-1', late['strict-1'], 'strict')
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const quick = { minMs: 50, maxMs: 500 }

async function enrolDevice(
  device: string,
  store: DeviceStore = memoryStore(),
  fleet = 'default',
): Promise<DeviceStore> {
  const claim = await stack.createClaim({ device, fleet })
  await enrol({ url: `https://localhost:${stack.ports.api}`, claim, store, ...quick })
  return store
}

const statesOf = async (device: string) => {
  const sql = `select state, count(*)::int as count from certificates where device = $1 group by state`
  const { rows } = await stack.query(sql, [device])
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}
const storedOf = async (device: string) => {
  const sql = `select convert_from(payload, 'utf8') as payload from telemetry where device = $1 and topic like '%/telemetry/n'`
  const { rows } = await stack.query(sql, [device])
  return new Set(rows.map(({ payload }) => Number(payload)))
}

test('while one certificate comes after another a device publishes, and nothing that was acknowledged is lost', async () => {
  const store = await enrolDevice('long-1')
  const first = (await store.loadEnrolment())?.enrolment
  const client = await connect({ store, maxReconnectMs: 200 })
  const events: RenewalEvent[] = []
  const admitted = () => events.filter(({ type }) => type === 'admitted').length
  const acknowledged: number[] = []
  let seq = 0
  const publishing = setInterval(() => {
    const number = seq++
    const done = (error?: Error | null) => void (!error && acknowledged.push(number))
    client.publish('fleets/default/devices/long-1/telemetry/n', String(number), { qos: 1 }, done)
  }, 20)
  {
    const onEvent = (event: RenewalEvent) => void events.push(event)
    await using _ = keepRenewed({ store, client, newKey: true, pollMs: 200, onEvent, ...quick })
    for (const count of [1, 2]) {
      const end = new Date(Date.now() + 1_000).toISOString()
      const pulled = await stack.api('/v1/renewal-windows', { body: { device: 'long-1', end } })
      expect(pulled.status).toBe(201)
      await waitFor('the renewal', () => admitted() >= count)
    }
    // The third comes by itself; by then the first certificate has long ended.
    await waitFor('the third renewal', () => admitted() >= 3, { timeoutMs: 1_500 * lifeSeconds })
    await waitFor('the end of the first', () => Date.now() > Date.parse(first?.notAfter ?? ''), { timeoutMs: 40_000 })
  }
  clearInterval(publishing)
  await waitFor('all acknowledged', () => acknowledged.length === seq)
  await client.endAsync()
  expect(events.filter(({ type }) => type === 'failed')).toEqual([])
  const stored = await storedOf('long-1')
  expect(acknowledged.filter((number) => !stored.has(number))).toEqual([])
  expect(await statesOf('long-1')).toEqual({ active: 1, superseded: admitted() })
})

test('a power cut before the answer is stored, after it, and before it is used: the device goes on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'muster-renewal-'))
  const open = () => openStore(join(directory, 'store'))
  const store = await enrolDevice('cut-1', await open())
  const dying: DeviceStore = { ...store, saveNext: () => Promise.reject(new Error('power cut')) }
  await expect(renew({ store: dying, newKey: true })).rejects.toThrow('power cut')
  expect(await statesOf('cut-1')).toEqual({ active: 1, pending: 1 })

  // The old one is as good as ever.
  await connect({ store: await open() }).then((client) => client.endAsync())
  const { enrolment } = await renew({ store: await open(), newKey: true })
  expect(await statesOf('cut-1'), 'the certificate whose answer was lost').toEqual({ active: 1, pending: 1 })

  const back = await open()
  expect((await back.loadNext())?.enrolment).toEqual(enrolment)
  await connect({ store: back }).then((client) => client.endAsync())
  expect(await statesOf('cut-1')).toEqual({ active: 1, superseded: 1 })
  expect((await (await open()).loadEnrolment())?.enrolment).toEqual(enrolment)
  await rm(directory, { recursive: true })
})

test('a device that is not told anything by the broker completes its renewal at the provisioner', async () => {
  const store = await enrolDevice('quiet-1')
  const { enrolment } = await renew({ store })
  const events: RenewalEvent[] = []
  await using _ = keepRenewed({ store, onEvent: (event) => void events.push(event), ...quick })
  await waitFor('the end of the renewal', () => events.some(({ type }) => type === 'admitted'))
  expect((await store.loadEnrolment())?.enrolment).toEqual(enrolment)
  expect(await statesOf('quiet-1')).toEqual({ active: 1, superseded: 1 })
})

test('a revoked device does not renew', async () => {
  const store = await enrolDevice('out-1')
  await stack.api('/v1/devices/out-1/revoke', { body: { reason: 'keyCompromise' } })
  await expect(renew({ store })).rejects.toMatchObject({ code: 'device-revoked' })
})

test('a device that reaches nobody but the broker renews through it', async () => {
  const store = await enrolDevice('relay-1')
  const client = await connect({ store })
  const stored = await store.loadEnrolment()
  // Nobody is there; the broker and the provisioner behind it are.
  if (stored) await store.saveEnrolment({ ...stored, url: 'https://localhost:9' })
  const renewal = await renew({ store, client, newKey: true, ...quick })
  expect(renewal.by).toBe('mqtt')
  await client.endAsync()
  await connect({ store }).then((next) => next.endAsync())
  expect(await statesOf('relay-1')).toEqual({ active: 1, superseded: 1 })
})

describe('a device whose certificate has ended', () => {
  beforeAll(async () => {
    const { notAfter } = (await late['strict-1'].loadEnrolment())?.enrolment ?? {}
    await waitFor('the end', () => Date.now() > Date.parse(notAfter ?? ''), { timeoutMs: 40_000 })
  })

  test('renews over HTTPS where its fleet allows that, and is back', async () => {
    const store = late['http-1']
    expect(await renew({ store, newKey: true })).toMatchObject({ by: 'https' })
    await connect({ store }).then((client) => client.endAsync())
  })

  test('renews over MQTT, through a connection that is good for nothing else', async () => {
    const store = late['mqtt-1']
    const stored = await store.loadEnrolment()
    if (stored) await store.saveEnrolment({ ...stored, url: 'https://localhost:9' })
    expect(await renew({ store, ...quick })).toMatchObject({ by: 'mqtt' })
    await connect({ store }).then((client) => client.endAsync())
  })

  test('is told so where its fleet does not', async () => {
    const store = late['strict-1']
    await expect(renew({ store, ...quick })).rejects.toMatchObject({ code: 'certificate-expired' })
    await expect(connect({ store })).rejects.toMatchObject({ code: 'certificate-expired' })
  })
})
