import { expect, test, vi } from 'vitest'
import { nextEvent, startTestBroker, whileLocked } from './testing.ts'

test('a node that cannot renew its lease closes everything and admits nobody, until it can', async () => {
  await using muster = await startTestBroker({ limits: { leaseMs: 600 } })
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
