import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SimulatorWorker, startSimulatorWorker } from './harness/simulator-worker.ts'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
let worker: SimulatorWorker
beforeAll(async () => {
  stack = await startStack()
  worker = await startSimulatorWorker()
})
afterAll(async () => {
  await worker?.[Symbol.asyncDispose]()
  await stack?.[Symbol.asyncDispose]()
})

const every = '200ms'
const scenario = {
  name: 'thirty',
  title: 'Thirty devices of several kinds',
  seed: 5,
  devices: {
    sensor: { count: 20, telemetry: [{ every }], mqtt: { sessionExpiry: '1h' } },
    meter: {
      count: 6,
      keys: { p384: 1, ed25519: 1 },
      keygen: 'device',
      telemetry: [{ every, topic: 'telemetry/energy', payload: { shape: 'meter' }, qos: { '0': 1, '2': 1 } }],
    },
    old: { count: 4, mqtt: { version: 4 }, telemetry: [{ every }], commands: 'ignore' },
  },
  phases: [
    { do: 'boot', over: '1s', within: '30s' },
    { do: 'steady', for: '1s' },
    { do: 'storm', within: '30s' },
    { do: 'renew', over: '1s', within: '30s', newKeys: true },
    { do: 'firmware', over: '1s', off: '200ms', within: '30s' },
    { do: 'steady', for: '500ms' },
  ],
}
const devices = 30
const counts = () => worker.tick()?.counts

test('devices of several kinds enrol, connect, publish and answer commands', async () => {
  worker.order({
    order: 'assign',
    assignment: {
      ...{ run: 'r1', scenario: JSON.stringify(scenario), from: 0, to: devices, prefix: 'w', fleet: 'default' },
      url: `https://localhost:${stack.ports.api}`,
      claims: Object.fromEntries(
        await Promise.all(
          Object.entries(scenario.devices).map(async ([name, { count }]) => [
            name,
            await stack.createClaim({ uses: count }),
          ]),
        ),
      ),
    },
  })
  await worker.play(0)
  await worker.play(1)
  await waitFor('counted', async () => counts()?.connected === devices)
  expect(counts()).toMatchObject({ started: devices, enrolled: devices, connections: devices, resumed: 0 })
  expect(worker.saw('certificate')).toHaveLength(devices)
  expect(new Set(worker.saw('connected').map(({ serial }) => serial)).size).toBe(devices)
  const service = await stack.enrolDevice('backend', { profile: 'service', policy: 'service' })
  const client = await service.connect()
  await client.subscribeAsync('fleets/default/devices/+/events/#', { qos: 1 })
  const answers: string[] = []
  client.on('message', (topic) => answers.push(topic))
  for (const device of ['w-sensor-00003', 'w-old-00001'])
    await client.publishAsync(`fleets/default/devices/${device}/commands/blink`, 'now', { qos: 1 })
  await waitFor('answered', async () => answers.length > 0 && counts()?.commands === 2)
  expect(answers).toEqual(['fleets/default/devices/w-sensor-00003/events/commands/blink'])
  await client.endAsync()
})
