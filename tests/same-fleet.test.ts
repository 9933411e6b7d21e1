import { Device, FleetTelemetryMessage } from '@muster/contracts'
import { type Observation, parseScenario, type RunReport, runScenario, startLocalWorker } from '@muster/device-sim'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { operatorOf } from './harness/operator.ts'
import { type Stack, startStack } from './harness/stack.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const telemetry = [
  { every: '100ms' },
  { every: '150ms', topic: 'state/place', payload: { shape: 'position' }, qos: { '1': 1, '2': 1 } },
  { every: '200ms', topic: 'events/text', payload: { shape: 'bytes', size: ['100B', '300B'] } },
]
const faults = [
  { do: 'cut-power', share: '50%', off: '100ms' },
  { do: 'lose-answer', to: 'enrol', share: '50%', times: 2 },
]
const scenario = {
  name: 'twice',
  title: 'Twice the same',
  devices: {
    meter: { count: 4, models: ['em-1', 'em-2'], telemetry, faults },
    tracker: { count: 3, claim: 'each', models: ['gps-1', 'gps-2', 'gps-3'], telemetry },
  },
  phases: [
    { do: 'boot', over: '300ms' },
    { do: 'steady', for: '1500ms' },
  ],
}

type Link = ReturnType<typeof startLocalWorker>

/** A worker whose observations are noted on their way. */
function overhear(link: Link, note: (observation: Observation) => void): Link {
  const listen: Link['listen'] = (onReport) =>
    link.listen((report) => {
      if (report.report === 'observed') report.observations.forEach(note)
      onReport(report)
    })
  return { ...link, listen }
}

/** What the platform has of a run, and what went wrong in it, without the name of the run and without times. */
async function play(seed: number, workerCount: number) {
  const operator = operatorOf(stack)
  const faults: string[] = []
  const note = (seen: Observation) => {
    if (seen.saw === 'fault') faults.push(`${nameless(seen.device)} ${seen.fault} after ${seen.step}`)
  }
  const nameless = (device: string) => device.split('-').slice(2).join('-')
  const report: RunReport = await runScenario({
    ...parseScenario(JSON.stringify({ ...scenario, seed })),
    on: { operator, fleet: 'default', keep: true },
    recruit: async () =>
      Array.from({ length: workerCount }, (_, index) => overhear(startLocalWorker(String(index + 1)), note)),
    signal: AbortSignal.timeout(100_000),
  })
  const prefix = `sim-${report.run}-`
  const devices = (await operator.list('/v1/devices', Device, { prefix })).filter(({ profile }) => profile === 'device')
  const messages = await operator.list('/v1/telemetry', FleetTelemetryMessage, { prefix })
  const readings = messages.map(({ device, topic, payload }) => {
    const { n, run: _, at: __, ...reading } = JSON.parse(payload)
    return [`${nameless(device)} ${topic.split('/').slice(4).join('/')} ${n}`, reading] as const
  })
  return {
    report,
    faults: faults.sort(),
    devices: devices
      .map(({ id, attributes, group }) => ({ id: nameless(id), attributes, group }))
      .sort((a, b) => a.id.localeCompare(b.id)),
    readings: new Map(readings),
  }
}

test('same seed, same devices, readings and faults, by one worker or by three; another seed, others', {
  timeout: 120_000,
}, async () => {
  const [one, three, other] = await Promise.all([play(7, 1), play(7, 3), play(8, 2)])
  for (const { report } of [one, three, other]) expect(report.verdict).toEqual({ passed: true, reasons: [] })
  expect(one.devices).toHaveLength(7)
  expect(three.devices).toEqual(one.devices)
  expect(other.devices).not.toEqual(one.devices)
  // Each of the four meters has its own: which, and at which step, is of the seed alone.
  expect(one.faults).toHaveLength(6)
  expect(three.faults).toEqual(one.faults)
  expect(other.faults).not.toEqual(one.faults)

  const common = [...one.readings].filter(([message]) => three.readings.has(message))
  // How many there are depends on the time; what is in them does not.
  expect(new Set(common.map(([message]) => message.split(' ').slice(0, 2).join(' '))).size).toBe(21)
  expect(common.length).toBeGreaterThan(100)
  for (const [message, reading] of common) expect([message, three.readings.get(message)]).toEqual([message, reading])
  const same = [...one.readings].filter(
    ([message, reading]) => JSON.stringify(other.readings.get(message)) === JSON.stringify(reading),
  )
  expect(same.length).toBeLessThan(one.readings.size / 10)
})
