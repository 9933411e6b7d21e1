import { type DatabaseGate, openDatabaseGate } from '@muster/db/testing'
import type { MqttClient } from 'mqtt'
import { afterEach, expect, test } from 'vitest'
import { type OwnDatabase, openOwnDatabase } from './harness/own-database.ts'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

let stack: Stack | undefined
let gate: DatabaseGate | undefined
let own: OwnDatabase | undefined
afterEach(async () => {
  await gate?.open()
  await stack?.[Symbol.asyncDispose]()
  await gate?.[Symbol.asyncDispose]()
  ;[stack, gate, own] = [undefined, undefined, undefined]
})

/** A platform whose broker reaches its database through a gate. */
async function startGated(freshness: string) {
  gate = await openDatabaseGate()
  stack = await startStack()
  await stack.process('broker')[Symbol.asyncDispose]()
  const brokerEnv = { MUSTER_DATABASE_URL: gate.urlOf(stack.brokerDatabase), MUSTER_FRESHNESS: freshness }
  await stack.start('broker', brokerEnv)
  return { stack, gate }
}

const readiness = async (port: number) => (await (await fetch(`http://127.0.0.1:${port}/readyz`)).text()).trim()
const isAway = (port: number) =>
  waitFor('the outage is noticed', async () => (await readiness(port)).startsWith('degr'))
const isBack = (port: number) => waitFor('ready again', async () => (await readiness(port)) === 'ready')
const metric = async (port: number, name: string) => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}
/** What CONNACK says; a connection that ends without one, on a machine that is busy, is made again. */
const codeOf = (device: EnrolledDevice, port?: number) =>
  waitFor(
    'an answer',
    async () => {
      const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 5_000))
      const outcome = device.connect(port === undefined ? {} : { port }).then(
        (client) => client.endAsync(true).then(() => 'admitted'),
        (error: { code?: number | string }) => (typeof error.code === 'number' ? error.code : undefined),
      )
      return Promise.race([outcome, late])
    },
    { timeoutMs: 30_000 },
  )
const visit = async (device: EnrolledDevice) => (await device.connect()).endAsync()
async function revoke(platform: Stack, id: string): Promise<string> {
  const { json } = await platform.api(`/v1/devices/${id}/revoke`, { body: { reason: 'keyCompromise' } })
  return json.revocation
}
const revocation = async (platform: Stack, id: string) => (await platform.api(`/v1/revocations/${id}`)).json

/** Publishes at QoS 1, five under way, as long as it lives; notes what was acknowledged and when. */
function startWriter(device: EnrolledDevice, client: MqttClient, acknowledged: Map<string, number>) {
  let stopped = false
  let sequence = 0
  const publish = async () => {
    while (!stopped) {
      const payload = `${device.id}:${sequence++}`
      await client.publishAsync(`fleets/default/devices/${device.id}/telemetry`, payload, { qos: 1 })
      acknowledged.set(payload, performance.now())
    }
  }
  const lines = Array.from({ length: 5 }, publish)
  return async () => {
    stopped = true
    await Promise.all(lines)
    await client.endAsync()
  }
}

test('the database killed under load and gone for 30 s: nothing acknowledged meanwhile, nothing acknowledged lost', {
  timeout: 180_000,
}, async () => {
  own = await openOwnDatabase()
  stack = await startStack({ database: own })
  const platform = stack
  const { brokerMetrics: port } = stack.ports
  const enrol = (id: string) => platform.enrolDevice(id)
  const writers = await Promise.all(Array.from({ length: 8 }, (_, number) => enrol(`writer-${number}`)))
  const [idle, known, stranger, revoked] = await Promise.all(['idle', 'known', 'stranger', 'revoked'].map(enrol))
  if (!idle || !known || !stranger || !revoked) throw new Error('four were enrolled')
  await Promise.all([visit(known), visit(revoked)])
  const revokedId = await revoke(stack, 'revoked')
  await waitFor('the receipt', async () => (await revocation(platform, revokedId)).complete)
  const staying = await idle.connect()
  const acknowledged = new Map<string, number>()
  const stops = await Promise.all(
    writers.map(async (device) => startWriter(device, await device.connect({ reconnectPeriod: 200 }), acknowledged)),
  )
  await waitFor('messages flow', () => acknowledged.size > 500)

  await own.kill()
  const goneAt = performance.now()
  await isAway(port)
  const before = acknowledged.size
  // A second refusal is not for long: the certificate is not penalised for an outage.
  expect(await codeOf(known)).toBe('admitted')
  expect(await codeOf(stranger)).toBe(0x88)
  expect(await codeOf(revoked)).toBe(0x87)
  await waitFor('30 s without', () => performance.now() - goneAt > 30_000, { timeoutMs: 40_000, everyMs: 200 })
  expect(acknowledged.size).toBe(before)
  expect(staying.connected).toBe(true)
  expect(await codeOf(known)).toBe('admitted')
  expect(await metric(port, 'muster_broker_telemetry_refused_total')).toBeGreaterThan(0)

  await own.start()
  const backAt = performance.now()
  await waitFor('accepted again', () => acknowledged.size > before, { timeoutMs: 20_000 })
  const seconds = (Math.min(...[...acknowledged.values()].filter((at) => at > backAt)) - backAt) / 1_000
  await waitFor('every writer goes on', () =>
    writers.every(({ id }) => [...acknowledged].some(([payload, at]) => at > backAt && payload.startsWith(`${id}:`))),
  )
  await Promise.all(stops.map((stop) => stop()))
  expect(staying.connected).toBe(true)
  await staying.endAsync()

  const { rows } = await stack.query("select convert_from(payload, 'UTF8') as payload from telemetry")
  const stored = new Set(rows.map(({ payload }) => payload))
  expect([...acknowledged.keys()].filter((payload) => !stored.has(payload))).toEqual([])
  console.log(
    `accepted again ${seconds.toFixed(2)} s after PostgreSQL was up; ${acknowledged.size} acknowledged, ${rows.length - stored.size} of ${rows.length} stored twice`,
  )
  expect(seconds).toBeLessThan(20)
})

test('a broker killed during the outage comes back without the database, and admits whom it knows', async () => {
  const platform = await startGated('5m')
  const { brokerMetrics: port } = platform.stack.ports
  const known = await platform.stack.enrolDevice('known')
  const revoked = await platform.stack.enrolDevice('revoked')
  await Promise.all([visit(known), visit(revoked)])
  const id = await revoke(platform.stack, 'revoked')
  await waitFor('the receipt', async () => (await revocation(platform.stack, id)).complete)
  await platform.gate.close('refuse')
  await isAway(port)
  await platform.stack.crash('broker')
  expect(await readiness(port)).toMatch(/^degraded: the registry is away, \d+ s left$/)
  expect(await codeOf(known)).toBe('admitted')
  expect(await codeOf(revoked)).toBe(0x87)
  await platform.gate.open()
  await isBack(port)
  const fresh = await platform.stack.enrolDevice('fresh')
  expect(await codeOf(fresh)).toBe('admitted')
})

test('a node that is cut off: the revocation is complete when it has closed everything, and not before', {
  timeout: 120_000,
}, async () => {
  gate = await openDatabaseGate()
  stack = await startStack()
  const platform = stack
  const url = gate.urlOf(stack.brokerDatabase)
  const { mqtt, metrics } = await stack.addBroker('broker-2', { MUSTER_DATABASE_URL: url, MUSTER_FRESHNESS: '10s' })
  const device = await stack.enrolDevice('there')
  const client = await device.connect({ port: mqtt })
  let closedAt = 0
  client.once('close', () => {
    closedAt = performance.now()
  })
  const told = nextEvent(client, 'disconnect', 40_000)

  await gate.close('freeze')
  await isAway(metrics)
  const id = await revoke(stack, 'there')
  await waitFor('the other node has its receipt', async () =>
    (await revocation(platform, id)).nodes.some(({ node }: { node: string }) => node === 'broker-1'),
  )
  expect((await revocation(platform, id)).complete).toBe(false)
  expect(client.connected).toBe(true)
  await waitFor('complete', async () => (await revocation(platform, id)).complete, { timeoutMs: 30_000 })
  expect(closedAt).toBeGreaterThan(0)
  expect(closedAt).toBeLessThan(performance.now())
  expect(await told).toMatchObject({ reasonCode: 0x89 })
  expect(await readiness(metrics)).toBe('not ready')
  expect(await codeOf(device, mqtt)).toBe(0x88)

  await gate.open()
  await isBack(metrics)
  expect(await codeOf(device, mqtt)).toBe(0x87)
  await waitFor('its receipt after all', async () => (await revocation(platform, id)).nodes.length === 2)
})
