import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  // No disk has that much room.
  muster = await startTestBroker({ limits: { diskReserveBytes: Number.MAX_SAFE_INTEGER } })
})
afterAll(() => muster[Symbol.asyncDispose]())

async function open(device: TestDevice, options = {}) {
  const socket = await muster.openTls(device)
  const client = rawClient(socket, 5)
  client.connect(device.id, { protocolVersion: 5, ...options })
  await client.next('connack')
  return { ...client, socket }
}
const topicOf = (id: string, rest: string) => `fleets/default/devices/${id}/${rest}`

test('a message that cannot be kept is refused by name, unacknowledged; everything else goes on', async () => {
  const service = await muster.addDevice('service', { profile: 'service' })
  const backend = await open(service)
  const message = { cmd: 'publish', qos: 1, messageId: 1, dup: false, retain: true, payload: 'x' } as const
  backend.send({ ...message, topic: topicOf('any', 'commands/mode') })
  expect(await backend.next('disconnect')).toMatchObject({ reasonCode: 0x97 })
  await backend.closed
  expect(backend.find('puback')).toEqual([])
  await vi.waitFor(async () => expect(await muster.refusals('service')).toEqual(['quota-exceeded']))

  const will = { topic: topicOf('device', 'state/gone'), payload: Buffer.from('gone'), qos: 1, retain: false } as const
  const device = await open(await muster.addDevice('device'), { will })
  device.send({ ...message, retain: false, topic: topicOf('device', 'telemetry/t') })
  expect(await device.next('puback')).toMatchObject({ messageId: 1, reasonCode: 0 })
  device.send({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: topicOf('device', 'commands/#'), qos: 1 }] })
  expect(await device.next('suback')).toMatchObject({ granted: [1] })
  device.socket.destroy()
  await vi.waitFor(async () => {
    const { rows } = await muster.db.execute(sql`select topic from telemetry order by topic`)
    expect(rows).toEqual([{ topic: will.topic }, { topic: topicOf('device', 'telemetry/t') }])
  })
  const metrics = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  expect(metrics).toContain('muster_broker_sessions_writable 0')
})

test('a subscription that cannot be kept is not acknowledged', async () => {
  const device = await muster.addDevice('keeper')
  const client = await open(device, { clean: false, properties: { sessionExpiryInterval: 3_600 } })
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: topicOf('keeper', 'commands/#'), qos: 1 }] })
  await vi.waitFor(() => expect(client.socket.closed || client.find('suback').length > 0).toBe(true))
  for (const suback of client.find('suback'))
    expect(suback).toMatchObject({ granted: [expect.toSatisfy((code) => code >= 0x80)] })
  client.socket.destroy()
})
