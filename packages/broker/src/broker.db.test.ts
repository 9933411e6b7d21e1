import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { nextEvent, startTestBroker, type TestBroker } from './testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker()
})
afterAll(() => muster[Symbol.asyncDispose]())

test.each([4, 5] as const)(
  'a device connects, publishes, and is stored when the PUBACK comes (MQTT %s)',
  async (protocolVersion) => {
    const id = `works-${protocolVersion}`
    const device = await muster.addDevice(id)
    const client = await muster.connect(device, { protocolVersion })
    const topic = `fleets/default/devices/${id}/telemetry/t`
    await client.publishAsync(topic, 'one', { qos: 1 })
    await client.publishAsync(topic, 'two', { qos: 2 })
    const { rows } = await muster.db.execute(
      sql`select topic, convert_from(payload, 'UTF8') as payload, qos from telemetry where device = ${id} order by seq`,
    )
    expect(rows).toEqual([
      { topic, payload: 'one', qos: 1 },
      { topic, payload: 'two', qos: 2 },
    ])
    await client.publishAsync(topic, 'three', { qos: 0 })
    await vi.waitFor(async () => {
      const found = await muster.db.execute(sql`select 1 from telemetry where device = ${id} and qos = 0`)
      expect(found.rows).toHaveLength(1)
    })
    await client.endAsync()
  },
)

test('revoking closes the connection, says why, and leaves a receipt', async () => {
  const device = await muster.addDevice('revoked')
  const client = await muster.connect(device, { protocolVersion: 5 })
  const told = nextEvent(client, 'disconnect')
  const closed = nextEvent(client, 'close')
  const seq = await muster.change(device, 'revoke')
  await closed
  expect(await told).toMatchObject({ reasonCode: 0x98, properties: { reasonString: 'device-revoked' } })
  await vi.waitFor(async () => {
    const { rows } = await muster.db.execute(
      sql`select node, connections_closed, session_purged from receipts where change = ${seq}`,
    )
    expect(rows).toEqual([{ node: 'broker-1', connections_closed: 1, session_purged: true }])
  })
  await expect(muster.connect(device)).rejects.toMatchObject({ code: 5 })
  await vi.waitFor(async () => expect(await muster.refusals('revoked')).toEqual(['device-revoked']))
})
