import { renewalsAnsweredChannel, renewalsChannel } from '@muster/contracts'
import { renewalRequests } from '@muster/db'
import { eq, sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { nextEvent, rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { pollMs: 60_000 } })
})
afterAll(() => muster?.[Symbol.asyncDispose]())

const topics = (id: string) => ({
  request: `fleets/default/devices/${id}/renewal/request`,
  response: `fleets/default/devices/${id}/renewal/response`,
})

/** What the provisioner finds. */
const asked = (id: string) =>
  vi.waitFor(async () => {
    const [row] = await muster.db.select().from(renewalRequests).where(eq(renewalRequests.device, id))
    if (!row) throw new Error('nothing yet')
    return row
  }, 5_000)

/** What the provisioner does. */
async function answer(id: number, document: Record<string, unknown>, { quietly = false } = {}) {
  await muster.db.transaction(async (tx) => {
    await tx.update(renewalRequests).set({ answer: document, answeredAt: new Date() }).where(eq(renewalRequests.id, id))
    if (!quietly) await tx.execute(sql`select pg_notify(${renewalsAnsweredChannel}, ${String(id)})`)
  })
}

async function connectDevice(device: TestDevice, options = {}) {
  const client = await muster.connect(device, { protocolVersion: 5, ...options })
  const heard: { topic: string; document: Record<string, unknown>; qos: number }[] = []
  client.on('message', (topic, payload, { qos }) => heard.push({ topic, document: JSON.parse(`${payload}`), qos }))
  return { client, heard }
}

describe.each([4, 5] as const)('with protocol version %s', (protocolVersion) => {
  test.each([0, 1] as const)('a request at QoS %s reaches the provisioner, and its answer the device', async (qos) => {
    const id = `asks-${protocolVersion}-${qos}`
    const { client, heard } = await connectDevice(await muster.addDevice(id), { protocolVersion })
    await client.subscribeAsync(topics(id).response, { qos: 1 })
    await client.publishAsync(topics(id).request, '{"proof":1}', { qos })
    const row = await asked(id)
    expect(row).toMatchObject({ fleet: 'default', node: 'broker-1', answeredAt: null })
    expect(row.proof.toString()).toBe('{"proof":1}')
    await answer(row.id, { certificate: 'next' })
    const expected = [{ topic: topics(id).response, document: { certificate: 'next' }, qos: 1 }]
    await vi.waitFor(() => expect(heard).toEqual(expected), 5_000)
    await client.endAsync()
  })
})

test('the provisioner is told', async () => {
  const listener = new pg.Client({ connectionString: muster.databaseUrl })
  await listener.connect()
  try {
    await listener.query(`listen ${renewalsChannel}`)
    const told = nextEvent(listener, 'notification')
    const { client } = await connectDevice(await muster.addDevice('telling'))
    await client.publishAsync(topics('telling').request, '{}', { qos: 1 })
    expect(await told).toMatchObject({ payload: String((await asked('telling')).id) })
    await client.endAsync()
  } finally {
    await listener.end()
  }
})

test('a service renews in the same way', async () => {
  const { client, heard } = await connectDevice(await muster.addDevice('backend', { profile: 'service' }))
  await client.publishAsync(topics('backend').request, '{}', { qos: 1 })
  await answer((await asked('backend')).id, { certificate: 'next' })
  await vi.waitFor(() => expect(heard).toHaveLength(1), 5_000)
  await client.endAsync()
})

test('an answer that was not told is found', async () => {
  await using other = await startTestBroker({ limits: { pollMs: 100 } })
  const client = await other.connect(await other.addDevice('patient'))
  const message = nextEvent(client, 'message')
  await client.publishAsync(topics('patient').request, '{}', { qos: 1 })
  await other.db.update(renewalRequests).set({ answer: {}, answeredAt: new Date() })
  expect(await message).toBe(topics('patient').response)
  await client.endAsync()
})

test('neither question nor answer is telemetry, and nobody else hears them', async () => {
  const service = await connectDevice(await muster.addDevice('curious', { profile: 'service' }))
  await service.client.subscribeAsync('fleets/default/#', { qos: 1 })
  const { client, heard } = await connectDevice(await muster.addDevice('private'))
  await client.publishAsync(topics('private').request, '{}', { qos: 1 })
  await answer((await asked('private')).id, { certificate: 'next' })
  await vi.waitFor(() => expect(heard).toHaveLength(1), 5_000)
  const telemetry = 'fleets/default/devices/private/telemetry/t'
  await client.publishAsync(telemetry, '{}', { qos: 1 })
  await vi.waitFor(() => expect(service.heard.map(({ topic }) => topic)).toEqual([telemetry]), 5_000)
  const { rows } = await muster.db.execute(sql`select topic from telemetry where device = 'private'`)
  expect(rows).toEqual([{ topic: telemetry }])
  await Promise.all([client.endAsync(), service.client.endAsync()])
})

describe('refused', () => {
  test.each([
    ['for another device', topics('victim').request],
    ['an answer to another', topics('victim').response],
    ['an answer to itself', topics('foreign').response],
  ])('%s', async (_, topic) => {
    await muster.addDevice('victim')
    const { client } = await connectDevice(await muster.addDevice('foreign'))
    await expect(client.publishAsync(topic, '{}', { qos: 1 })).rejects.toMatchObject({ code: 0x87 })
    await expect(client.subscribeAsync(topics('victim').response)).rejects.toThrow()
    const { rows } = await muster.db.execute(sql`select from renewal_requests where device in ('victim', 'foreign')`)
    expect(rows).toEqual([])
    await client.endAsync()
  })

  test.each([
    ['above 32 KiB', 'x'.repeat(32_769), { qos: 1 }],
    ['retained', '{}', { qos: 1, retain: true }],
    ['at QoS 2', '{}', { qos: 2 }],
  ] as const)('one %s', async (_, payload, options) => {
    const { client } = await connectDevice(await muster.addDevice('greedy'))
    await expect(client.publishAsync(topics('greedy').request, payload, options)).rejects.toMatchObject({ code: 0x87 })
    await client.endAsync()
  })

  test('as a will', async () => {
    const device = await muster.addDevice('dying')
    const will = { topic: topics('dying').request, payload: Buffer.from('{}'), qos: 1 as const, retain: false }
    await expect(muster.connect(device, { will })).rejects.toMatchObject({ code: 5 })
    await vi.waitFor(async () => expect(await muster.refusals('dying')).toEqual(['will-denied']))
  })

  test('too often, on a new connection too: the answer says so, and the connection stays', async () => {
    const device = await muster.addDevice('eager')
    const first = await connectDevice(device)
    await first.client.publishAsync(topics('eager').request, '{}', { qos: 1 })
    await first.client.endAsync()
    const { client, heard } = await connectDevice(device, { protocolVersion: 4 })
    await client.publishAsync(topics('eager').request, '{}', { qos: 1 })
    await vi.waitFor(
      () => expect(heard).toMatchObject([{ document: { type: 'urn:muster:error:rate-limited' } }]),
      5_000,
    )
    expect(client.connected).toBe(true)
    const { rows } = await muster.db.execute(sql`select from renewal_requests where device = 'eager'`)
    expect(rows).toHaveLength(1)
    await vi.waitFor(async () => expect(await muster.refusals('eager')).toEqual(['rate-limited']))
    await client.endAsync()
  })

  test('when it cannot be put down: the answer says so', async () => {
    const { client, heard } = await connectDevice(await muster.addDevice('unlucky'))
    await muster.asSuperuser('revoke insert on renewal_requests from muster_broker')
    await client.publishAsync(topics('unlucky').request, '{}', { qos: 1 })
    await muster.asSuperuser('grant insert on renewal_requests to muster_broker')
    await vi.waitFor(() => expect(heard).toMatchObject([{ document: { type: 'urn:muster:error:unavailable' } }]), 5_000)
    await client.endAsync()
  })
})

describe('is safe', () => {
  test('an answer is for the connection that asked: who comes later asks again', async () => {
    const device = await muster.addDevice('restless')
    const raw = rawClient(await muster.openTls(device))
    raw.connect('restless')
    await raw.next('connack')
    const publish = { cmd: 'publish', payload: '{}', qos: 1, messageId: 1, dup: false, retain: false } as const
    raw.send({ ...publish, topic: topics('restless').request })
    await raw.next('puback')
    const { client, heard } = await connectDevice(device)
    await raw.closed
    await answer((await asked('restless')).id, { certificate: 'next' })
    const other = await connectDevice(await muster.addDevice('marker'))
    await other.client.publishAsync(topics('marker').request, '{}', { qos: 1 })
    await answer((await asked('marker')).id, {})
    await vi.waitFor(() => expect(other.heard).toHaveLength(1), 5_000)
    expect(heard).toEqual([])
    await Promise.all([client.endAsync(), other.client.endAsync()])
  })

  test('who was revoked meanwhile hears nothing', async () => {
    const device = await muster.addDevice('revoked')
    const { client, heard } = await connectDevice(device)
    await client.publishAsync(topics('revoked').request, '{}', { qos: 1 })
    const { id } = await asked('revoked')
    await muster.receipt(await muster.change(device, 'revoke'))
    await answer(id, { certificate: 'next' })
    await expect(muster.connect(device)).rejects.toMatchObject({ code: 5 })
    expect(heard).toEqual([])
  })
})
