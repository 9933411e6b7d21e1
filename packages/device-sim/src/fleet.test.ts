import { startTestBroker, startTestProvisioner } from '@muster/device/testing'
import { expect, test } from 'vitest'
import type { FleetEvent } from './events.ts'
import { runFleet } from './fleet.ts'

test('a fleet enrols, connects and publishes until it is told to end', async () => {
  await using server = await startTestProvisioner({ shared: true })
  await using broker = await startTestBroker(server.ca)
  server.mqttUrl = broker.url
  const events: FleetEvent[] = []
  const ending = new AbortController()
  const summary = await runFleet({
    ...{ url: server.url, claim: server.claim, devices: 5, ramp: 1_000, intervalMs: 20, signal: ending.signal },
    onEvent(event) {
      events.push(event)
      if (events.filter(({ type }) => type === 'published').length === 5) ending.abort()
    },
  })
  expect(summary.counts).toMatchObject({ started: 5, enrolled: 5, connections: 5, refused: 0, connected: 0 })
  expect(summary.counts.acknowledged).toBeGreaterThanOrEqual(5)
  expect(summary.failures).toEqual({})
  expect(server.keys.size).toBe(5)
  expect(events.at(-1)).toMatchObject({ type: 'summary', summary })
})
