import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { enrol, loadCredentials, memoryStore } from '@muster/device'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root, startProcess } from './harness/process.ts'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

type Credentials = { key: string; cert: string }
const commands = (id: string) => `fleets/default/devices/${id}/commands`
const kept = { clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 3_600 } } as const

function openClient(id: string, credentials: Credentials, options: IClientOptions = {}): MqttClient {
  const url = `mqtts://localhost:${stack.ports.mqtt}`
  const client = connect(url, { ...credentials, ca: stack.ca, clientId: id, ...kept, reconnectPeriod: 100, ...options })
  client.on('error', () => {})
  return client
}

/** Does `work` for all of them, so many at once. */
async function forAll<Item>(items: Iterable<Item>, atOnce: number, work: (item: Item) => Promise<unknown>) {
  const left = items[Symbol.iterator]()
  const workers = Array.from({ length: atOnce }, async () => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value)
  })
  await Promise.all(workers)
}

async function enrolAll(ids: string[]): Promise<Map<string, Credentials>> {
  const claim = await stack.createClaim({ uses: ids.length })
  const all = new Map<string, Credentials>()
  await forAll(ids, 8, async (id) => {
    const store = memoryStore()
    await enrol({ url: `https://localhost:${stack.ports.api}`, claim, store, device: id })
    const { key, certificate } = await loadCredentials(store)
    all.set(id, { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: certificate })
  })
  return all
}

async function metric(name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${stack.ports.brokerMetrics}/metrics`)
  const line = (await answer.text()).split('\n').find((one) => one.startsWith(name))
  return Number(line?.split(' ').at(-1) ?? Number.NaN)
}

test('the broker killed while 1,000 sessions are asleep and their queues fill: all that was acknowledged arrives, in order', {
  timeout: 400_000,
}, async () => {
  const ids = Array.from({ length: 1_000 }, (_, index) => `sleeper-${index}`)
  const credentials = await enrolAll(ids)
  const of = (id: string) => credentials.get(id) ?? { key: '', cert: '' }
  await forAll(ids, 16, async (id) => {
    const client = openClient(id, of(id))
    await client.subscribeAsync(`${commands(id)}/#`, { qos: 2 })
    await client.endAsync()
  })

  const service = await stack.enrolDevice('backend', { profile: 'service' })
  const backend = openClient('backend', service.credentials)
  const rounds = [1, 2, 3, 4] as const
  let acknowledged = 0
  const offers = rounds.flatMap((round) => ids.map((id) => ({ id, round })))
  const publishing = forAll(offers, 100, async ({ id, round }) => {
    await backend.publishAsync(`${commands(id)}/${round}`, String(round), { qos: round % 2 ? 1 : 2 })
    acknowledged += 1
  })
  for (const share of [0.1, 0.35, 0.6, 0.85]) {
    await waitFor('messages flow', () => acknowledged > offers.length * share, { timeoutMs: 60_000 })
    await stack.crash('broker')
  }
  await publishing
  await backend.publishAsync(`${commands('nobody')}/mode`, 'retained', { qos: 1, retain: true })
  await stack.crash('broker')

  await forAll(ids, 32, async (id) => {
    const heard: { round: number; qos: number }[] = []
    const client = openClient(id, of(id))
    let isResumed = false
    client.on('connect', ({ sessionPresent }) => {
      isResumed = sessionPresent
    })
    client.on('message', (topic, _, { qos }) => heard.push({ round: Number(topic.split('/').at(-1)), qos }))
    await waitFor(`all of ${id}`, () => new Set(heard.map(({ round }) => round)).size >= rounds.length, {
      timeoutMs: 30_000,
    })
    expect(isResumed).toBe(true)
    const firsts = (qos: number) => [...new Set(heard.filter((one) => one.qos === qos).map(({ round }) => round))]
    expect([firsts(1), firsts(2)]).toEqual([
      [1, 3],
      [2, 4],
    ])
    // QoS 2 is once, whatever happened in between.
    expect(heard.filter(({ qos }) => qos === 2)).toHaveLength(2)
    await client.endAsync()
  })
  await waitFor('empty queues', async () => (await metric('muster_broker_kept{what="queued"}')) === 0)

  const retained: string[] = []
  backend.on('message', (_, payload, { retain }) => retain && retained.push(payload.toString()))
  await backend.subscribeAsync(`${commands('nobody')}/mode`, { qos: 1 })
  await waitFor('the retained message', () => retained.includes('retained'))
  await backend.endAsync()
})

test('a device that is revoked while the broker is down has nothing left of its session; others have', async () => {
  const [revoked, other] = [await stack.enrolDevice('to-revoke'), await stack.enrolDevice('bystander')]
  for (const device of [revoked, other]) {
    const client = await device.connect(kept)
    await client.subscribeAsync(`${commands(device.id)}/#`, { qos: 1 })
    await client.endAsync()
  }
  const backend = await (await stack.enrolDevice('backend-2', { profile: 'service' })).connect()
  for (const device of [revoked, other]) await backend.publishAsync(`${commands(device.id)}/x`, 'x', { qos: 1 })
  await backend.endAsync(true)
  const before = await metric('muster_broker_kept{what="sessions"}')
  await stack.process('broker').kill()
  const answer = await stack.api('/v1/devices/to-revoke/revoke', { body: { reason: 'keyCompromise' } })
  expect(answer.status).toBe(202)
  await stack.start('broker')
  const receipts = await stack.api(`/v1/revocations/${answer.json.revocation}`)
  expect(receipts.json).toMatchObject({ complete: true, nodes: [{ sessionPurged: true }] })
  expect(await metric('muster_broker_kept{what="sessions"}')).toBe(before - 1)
  expect(await metric('muster_broker_kept{what="queued"}')).toBe(1)
})

test('a broker whose sessions are damaged ends with what to do about it, and that helps', async () => {
  const device = await stack.enrolDevice('survivor')
  const client = await device.connect(kept)
  await client.subscribeAsync(`${commands('survivor')}/#`, { qos: 1 })
  await client.endAsync()
  await stack.process('broker').kill()
  const sessions = join(stack.data, 'broker/broker-1/sessions')
  const manifest = (await readdir(sessions)).find((name) => name.startsWith('MANIFEST')) ?? ''
  await writeFile(join(sessions, manifest), 'nonsense')
  await expect(stack.start('broker')).rejects.toThrow(/damaged.*--repair-sessions/)
  const env = { PATH: process.env.PATH, MUSTER_DATA: stack.data, MUSTER_DATABASE_URL: 'postgresql://not-needed/x' }
  const main = join(root, 'packages/broker/src/main.ts')
  await using repair = startProcess(process.execPath, [main, '--repair-sessions'], { env })
  await repair.prints(/\d+ records kept, 0 dropped/)
  await repair.exited()
  await stack.start('broker')
  const backend = await (await stack.enrolDevice('backend-3', { profile: 'service' })).connect()
  await backend.publishAsync(`${commands('survivor')}/x`, 'x', { qos: 1 })
  await backend.endAsync()
  const heard: string[] = []
  const back = openClient('survivor', device.credentials)
  back.on('message', (topic) => heard.push(topic))
  await waitFor('what its subscription brought', () => heard.includes(`${commands('survivor')}/x`))
  await back.endAsync()
})
