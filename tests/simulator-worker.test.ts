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
    // Their renewals come over MQTT in the end.
    board: {
      ...{ count: 2, client: 'sdk', telemetry: [{ every }] },
      faults: [{ do: 'lose-answer', to: 'renew', times: 2 }],
    },
    old: { count: 2, mqtt: { version: 4 }, telemetry: [{ every }], commands: 'ignore' },
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

/** What is in the database of the telemetry, by topic. */
async function stored(): Promise<Map<string, { n: number; duplicate: boolean }[]>> {
  const { rows } = await stack.query(
    `select topic, duplicate, convert_from(payload, 'UTF8')::json->>'n' as n from telemetry where topic like '%/telemetry/%'`,
  )
  const byTopic = new Map<string, { n: number; duplicate: boolean }[]>()
  for (const { topic, n, duplicate } of rows) {
    const messages = byTopic.get(String(topic)) ?? []
    messages.push({ n: Number(n), duplicate: duplicate === true })
    byTopic.set(String(topic), messages)
  }
  return byTopic
}

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

test('after a storm all are back, those who keep their TLS session with it', async () => {
  await worker.play(2)
  await waitFor('counted', async () => counts()?.connections === 2 * devices)
  // The SDK's own client does not say whether it has resumed one.
  expect(counts()).toMatchObject({ connected: devices, resumed: devices - 2 })
  expect(worker.saw('closed').filter(({ byUs }) => !byUs)).toEqual([])
})

test('they renew with new keys, and go through new firmware with them', async () => {
  await worker.play(3)
  await waitFor('renewed', async () => counts()?.renewals === devices && counts()?.connected === devices)
  const renewed = worker.saw('certificate').filter(({ by }) => by === 'renew')
  expect(renewed).toHaveLength(devices)
  expect(worker.saw('fault')).toHaveLength(4)
  // Over the connection that there is, and not over another one that ends it.
  expect(worker.saw('closed').filter(({ byUs }) => !byUs)).toEqual([])
  expect(worker.saw('overheard')).toEqual([])
  await worker.play(4)
  await waitFor('back', async () => counts()?.connected === devices)
  const last = new Map(worker.saw('connected').map(({ device, serial }) => [device, serial]))
  expect(last).toEqual(new Map(renewed.map(({ device, serial }) => [device, serial])))
  const { rows } = await stack.query(`select serial from certificates where state = 'active' and device like 'w-%'`)
  expect(new Set(rows.map(({ serial }) => serial))).toEqual(new Set(last.values()))
  expect(counts()?.enrolled).toBe(devices)
})

test('who is suspended comes back, who is revoked ends refused, and the rest at work; nothing is left', async () => {
  const [suspended, revoked] = ['w-sensor-00002', 'w-sensor-00001']
  worker.order({ order: 'told', what: 'suspended', devices: [suspended] })
  worker.order({ order: 'told', what: 'revoked', devices: [revoked] })
  expect((await stack.api(`/v1/devices/${suspended}/suspend`, { method: 'POST' })).status).toBeLessThan(300)
  expect((await stack.api(`/v1/devices/${revoked}/revoke`, { body: { reason: 'keyCompromise' } })).status).toBe(202)
  await waitFor('both are out', async () => counts()?.connected === devices - 2)
  worker.order({ order: 'told', what: 'resumed', devices: [suspended] })
  expect((await stack.api(`/v1/devices/${suspended}/resume`, { method: 'POST' })).status).toBeLessThan(300)
  await waitFor('one is back', async () => counts()?.connected === devices - 1)
  await worker.play(5)
  const { leftovers } = await worker.finish()
  expect(leftovers).toEqual([])

  const ends = worker.saw('end')
  expect(ends).toHaveLength(devices)
  expect(ends.filter(({ state }) => state !== 'working')).toMatchObject([{ device: revoked, state: 'refused' }])
  const tick = worker.tick()
  expect(tick?.counts.connected).toBe(0)
  expect(tick?.reasons).toEqual(tick?.expected)
})

test('what was acknowledged is stored, once or marked, and nothing else is', async () => {
  const messages = await stored()
  let acknowledged = 0
  for (const { topic, from, to } of worker.saw('acknowledged'))
    for (let n = from; n <= to; n += 1) {
      acknowledged += 1
      const copies = messages.get(topic)?.filter((message) => message.n === n) ?? []
      expect(copies.length, `${topic} ${n}`).toBeGreaterThan(0)
      expect(copies.filter(({ duplicate }) => !duplicate).length, `${topic} ${n}`).toBeLessThanOrEqual(1)
    }
  const answered = counts()?.commands ?? 0
  // Answers to commands are acknowledged, too.
  expect(acknowledged).toBeGreaterThanOrEqual((counts()?.acknowledged ?? 0) - answered)
  expect(acknowledged).toBeGreaterThan(5 * devices)
  const last = new Map(worker.saw('sent').map(({ topic, last: n }) => [topic, n]))
  expect(last.size).toBe(devices)
  for (const [topic, stored] of messages)
    for (const { n } of stored) expect(n, topic).toBeLessThanOrEqual(last.get(topic) ?? 0)
})
