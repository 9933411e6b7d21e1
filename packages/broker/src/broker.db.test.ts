import { sql } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import { startTestBroker } from './testing.ts'

test('from a connection to a revocation', async () => {
  await using muster = await startTestBroker()
  const metrics = async (path: string) => fetch(`http://127.0.0.1:${muster.broker.metricsPort}${path}`)
  expect((await metrics('/livez')).status).toBe(200)
  expect((await metrics('/readyz')).status).toBe(200)
  expect((await metrics('/elsewhere')).status).toBe(404)

  const device = await muster.addDevice('d-1')
  for (const protocolVersion of [4, 5] as const) {
    const client = await muster.connect(device, { protocolVersion })
    for (const qos of [0, 1, 2] as const)
      await client.publishAsync('fleets/default/devices/d-1/telemetry/t', `${protocolVersion}/${qos}`, { qos })
    await client.endAsync()
  }
  await vi.waitFor(async () => {
    const { rows } = await muster.db.execute<{ payload: string; qos: number }>(
      sql`select convert_from(payload, 'UTF8') as payload, qos from telemetry where device = 'd-1' order by seq`,
    )
    expect(rows).toEqual(
      ['4/0', '4/1', '4/2', '5/0', '5/1', '5/2'].map((payload) => ({ payload, qos: Number(payload[2]) })),
    )
  })
  await muster.receipt(await muster.change(device, 'revoke'))
  await expect(muster.connect(device)).rejects.toMatchObject({ code: 5 })

  const text = await (await metrics('/metrics')).text()
  for (const line of [
    'muster_broker_connections 0',
    'muster_broker_admissions_total 2',
    'muster_broker_telemetry_stored_total 6',
    'muster_broker_refusals_total{code="device-revoked"} 1',
    'muster_broker_change_seconds_count{kind="revoke"} 1',
  ])
    expect(text).toContain(line)
})
