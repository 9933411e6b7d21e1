import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  problem,
  startTestBroker,
  startTestProvisioner,
  type TestBroker,
  type TestProvisioner,
} from '@muster/device/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRandom } from '../random.ts'
import { createReadings } from '../telemetry/readings.ts'
import type { FleetEvent } from './events.ts'
import { runFleet } from './run-fleet.ts'
import type { FleetOptions } from './settings.ts'

let server: TestProvisioner
let broker: TestBroker
beforeEach(async () => {
  server = await startTestProvisioner({ shared: true })
  broker = await startTestBroker(server.ca)
  server.mqttUrl = broker.url
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  await broker[Symbol.asyncDispose]()
})

interface Script {
  /** Called once, when a device has published for the first time. */
  afterFirst?: () => void
  /** The end; without it, the fleet ends when all its devices are over. */
  until?: (events: FleetEvent[]) => boolean
}

async function run(options: Partial<FleetOptions>, { afterFirst, until }: Script = {}) {
  const events: FleetEvent[] = []
  const ending = new AbortController()
  const { url, claim } = server
  const onEvent = (event: FleetEvent) => {
    events.push(event)
    if (event.type === 'published') afterFirst?.()
  }
  const looking = setInterval(() => until?.(events) && ending.abort(), 5)
  const settings = { url, claim, devices: 1, ramp: 1_000, intervalMs: 20 }
  const summary = await runFleet({ ...settings, ...options, signal: ending.signal, onEvent })
  clearInterval(looking)
  return { events, summary }
}

const happened = (events: FleetEvent[], type: FleetEvent['type']) => events.filter((event) => event.type === type)
const published = (count: number) => (events: FleetEvent[]) => happened(events, 'published').length === count
const readingsOf = (device: string) =>
  broker.published
    .filter(({ topic }) => topic.includes(`/${device}/telemetry/`))
    .map(({ payload }) => JSON.parse(payload.toString()))

test('a fleet enrols, connects and publishes until it is told to end', async () => {
  const { events, summary } = await run({ devices: 5 }, { until: published(5) })
  expect(summary.counts).toMatchObject({ started: 5, enrolled: 5, connections: 5, refused: 0, connected: 0 })
  expect(summary.counts.acknowledged).toBeGreaterThanOrEqual(5)
  expect(summary.latency.publish.count).toBe(summary.counts.acknowledged)
  expect(summary.failures).toEqual({})
  expect(server.keys.size).toBe(5)
  expect(events.at(-1)).toMatchObject({ type: 'summary', summary })
  expect(happened(events, 'closed')).toEqual([])
})

test.each([7, 8])('what is published is what seed %i says', async (seed) => {
  const read = createReadings({ shape: 'environment' }, createRandom(seed, 1, 'readings', 0))
  await run({ devices: 2, seed }, { until: () => readingsOf('sim-0002').length >= 3 })
  const published = readingsOf('sim-0002')
  const measured = Array.from({ length: published.at(-1).n }, (_, index) => ({ n: index + 1, ...read() }))
  for (const { at, run, ...reading } of published) expect(reading).toEqual(measured[reading.n - 1])
  expect(broker.published.every(({ topic }) => topic.startsWith('fleets/default/devices/sim-'))).toBe(true)
})

test('with a store the same devices come back without enrolling', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'muster-sim-'))
  const first = await run({ devices: 2, store: directory }, { until: published(2) })
  const requests = server.bodies.length
  const second = await run({ devices: 2, store: directory }, { until: published(2) })
  expect(server.bodies).toHaveLength(requests)
  expect(first.summary.latency.enrol.count).toBe(2)
  expect(second.summary).toMatchObject({ counts: { enrolled: 2 }, latency: { enrol: { count: 0 } } })
  await rm(directory, { recursive: true })
})

test('a lost connection is made again and counted', async () => {
  const { events, summary } = await run(
    {},
    {
      afterFirst: () => broker.connections[0]?.socket.destroy(),
      until: (all) => happened(all, 'connected').length === 2,
    },
  )
  expect(summary.counts).toMatchObject({ connections: 2, refused: 0, connected: 0 })
  expect(happened(events, 'closed')).toMatchObject([{ device: 'sim-0001' }])
})

test('certificates are renewed by the devices themselves, and nobody falls out', async () => {
  broker.judge = (certificate) => ('code' in server.registry.use(certificate.serialNumber.toLowerCase()) ? 0x87 : 0)
  server.window = { start: new Date(0), end: new Date(1) }
  const { summary } = await run(
    { devices: 3, renew: true, newKeys: true },
    { until: (events) => happened(events, 'renewed').length >= 9 },
  )
  expect(summary.counts).toMatchObject({ enrolled: 3, refused: 0 })
  expect(summary.counts.renewals).toBeGreaterThanOrEqual(9)
  expect(summary.latency.overlap.count).toBe(summary.counts.renewals)
  expect(summary.failures).toEqual({})
  expect([...server.registry.states.values()].filter((state) => state === 'active')).toHaveLength(3)
})

test('commands are answered', async () => {
  const topic = 'fleets/default/devices/sim-0001/commands/blink'
  const isAnswered = () => broker.published.some((packet) => packet.topic.endsWith('/events/commands/blink'))
  const afterFirst = () =>
    broker.connections[0]?.send({ cmd: 'publish', topic, payload: 'on', qos: 0, retain: false, dup: false })
  const { summary } = await run({}, { afterFirst, until: isAnswered })
  expect(summary.counts.commands).toBe(1)
  const answer = broker.published.find((packet) => packet.topic.endsWith('/events/commands/blink'))
  expect(JSON.parse(answer?.payload.toString() ?? '')).toMatchObject({ command: 'blink', status: 'done', echo: 'on' })
})

describe('a device that is refused is over, and the fleet ends when all are', () => {
  test('by the provisioner', async () => {
    server.script.enrol.push(({ reply }) => reply(409, problem('claim-exhausted', 409)))
    const { events, summary } = await run({})
    expect(summary).toMatchObject({ counts: { refused: 1 }, failures: { 'enrol:claim-exhausted': 1 } })
    expect(happened(events, 'refused')).toMatchObject([{ device: 'sim-0001', code: 'claim-exhausted' }])
  })

  test('by the broker, at its first connection', async () => {
    broker.script.push(0x87)
    const { summary } = await run({})
    expect(summary).toMatchObject({ counts: { refused: 1, connections: 0 }, failures: { 'connect:forbidden': 1 } })
  })

  test('by a DISCONNECT, as after a revocation', async () => {
    const { events, summary } = await run(
      {},
      {
        afterFirst() {
          const properties = { reasonString: 'device-revoked: the device was revoked' }
          broker.connections[0]?.send({ cmd: 'disconnect', reasonCode: 0x98, properties })
          broker.connections[0]?.socket.end()
        },
      },
    )
    expect(happened(events, 'closed')).toMatchObject([{ device: 'sim-0001', reasonCode: 0x98 }])
    expect(happened(events, 'refused')).toMatchObject([{ device: 'sim-0001', code: 'device-revoked' }])
    expect(summary.counts).toMatchObject({ refused: 1, connections: 1, connected: 0 })
    expect(broker.connections).toHaveLength(1)
  })

  test('with MQTT 3.1.1, when it comes back after it was thrown out', async () => {
    const { events, summary } = await run(
      { protocolVersion: 4 },
      {
        afterFirst() {
          broker.script.push(5)
          broker.connections[0]?.socket.destroy()
        },
      },
    )
    expect(happened(events, 'refused')).toMatchObject([{ device: 'sim-0001', code: 'forbidden' }])
    expect(summary).toMatchObject({ counts: { refused: 1, connected: 0 }, failures: { 'connect:0x05': 1 } })
    expect(broker.connections).toHaveLength(2)
  })
})

test('an enrolment that can be tried again is counted', async () => {
  server.script.enrol.push(({ reply }) => reply(503, problem('unavailable', 503)))
  const { summary } = await run({}, { until: published(1) })
  expect(summary.failures).toEqual({ 'enrol:unavailable': 1 })
})

test('it ends at once while everything is still failing', async () => {
  broker.script.push(...Array(1_000).fill('drop'))
  const { summary } = await run({ devices: 3 }, { until: () => broker.script.length < 995 })
  expect(summary.counts).toMatchObject({ enrolled: 3, connections: 0, refused: 0 })
})
