import { expect, test, vi } from 'vitest'
import { nextEvent, startTestBroker, whileLocked } from '../testing.ts'

test('a node that cannot renew its lease closes everything and admits nobody, until it can', async () => {
  await using muster = await startTestBroker({ limits: { freshnessMs: 2_000 } })
  const ready = async () => (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/readyz`)).status
  const device = await muster.addDevice('kept')
  const client = await muster.connect(device, { protocolVersion: 5 })
  expect(await ready()).toBe(200)
  const told = nextEvent(client, 'disconnect')
  const closed = nextEvent(client, 'close')
  await whileLocked(muster.db, 'nodes', async () => {
    await closed
    expect(await told).toMatchObject({ reasonCode: 0x89 })
    await expect(muster.connect(device)).rejects.toMatchObject({ code: 3 })
    expect(await ready()).toBe(503)
  })
  const again = await vi.waitFor(() => muster.connect(device), { timeout: 5_000 })
  expect(await ready()).toBe(200)
  await again.endAsync()
})

test('while the registry cannot be asked nobody new is let in, and who is in stays', async () => {
  await using muster = await startTestBroker()
  const [held, late] = [await muster.addDevice('in'), await muster.addDevice('late')]
  const client = await muster.connect(held)
  await muster.asSuperuser('revoke select on policies from muster_broker')
  await expect(muster.connect(late)).rejects.toMatchObject({ code: 3 })
  await client.publishAsync('fleets/default/devices/in/telemetry', 'x', { qos: 1 })
  await muster.asSuperuser('grant select on policies to muster_broker')
  const again = await muster.connect(late)
  await vi.waitFor(async () => expect(await muster.refusals('late')).toEqual(['unavailable']))
  await Promise.all([client.endAsync(), again.endAsync()])
})
