import { connect as connectMqtt, type MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

let stack: Stack
let backend: MqttClient

beforeAll(async () => {
  stack = await startStack()
  await save({ name: 'backend', allow: [{ publish: ['fleets/${fleet}/#'] }] })
  backend = await (await stack.enrolDevice('backend', { profile: 'service', policy: 'backend' })).connect()
})
afterAll(async () => {
  await backend?.endAsync(true)
  await stack?.[Symbol.asyncDispose]()
})

const patch = (path: string, body: unknown) => stack.api(path, { method: 'PATCH', body })
const kept = { clean: false, properties: { sessionExpiryInterval: 3_600 } }
const of = (id: string) => `fleets/default/devices/${id}`
const broadcast = (group: string) => `fleets/default/groups/${group}/broadcast/news`

async function save(document: Record<string, unknown>, fleet = 'default') {
  const answer = await stack.api(`/v1/policies/${document.name}?fleet=${fleet}`, { method: 'PUT', body: document })
  expect(answer.status, answer.text).toBe(200)
  return answer.json as { version: number; change: string | null }
}

/** The receipt of the one broker there is. */
async function receiptOf(change: string) {
  let report: { complete: boolean; nodes: Record<string, unknown>[] } | undefined
  await waitFor(`the receipt of ${change}`, async () => {
    report = (await stack.api(`/v1/changes/${change}`)).json
    return report?.complete && report.nodes.length === 1
  })
  return report?.nodes[0]
}

const check = async (device: string, asked: Record<string, unknown>) =>
  (await stack.api('/v1/policies/check', { body: { device, ...asked } })).json

const preview = async (request: Record<string, unknown>) => (await stack.api('/v1/previews', { body: request })).json

/** What a message of the backend leads to at a client: it has arrived, or the marker behind it has. */
async function hears(client: MqttClient, topic: string, marker: string): Promise<boolean> {
  const heard: string[] = []
  const listen = (name: string) => void heard.push(name)
  client.on('message', listen)
  await backend.publishAsync(topic, 'secret', { qos: 1 })
  await backend.publishAsync(marker, 'marker', { qos: 1 })
  await waitFor('the marker', () => heard.includes(marker))
  client.off('message', listen)
  return heard.includes(topic)
}

const meter = (more: Record<string, unknown> = {}) => ({
  name: 'meter',
  allow: [
    { publish: ['fleets/${fleet}/devices/${device}/telemetry/#'], qos: 1, payload: '1KiB' },
    { subscribe: ['fleets/${fleet}/devices/${device}/#', 'fleets/${fleet}/groups/${group}/broadcast/#'] },
  ],
  ...more,
})

describe('a saved policy', () => {
  let devices: EnrolledDevice[]
  let clients: MqttClient[]

  beforeAll(async () => {
    await save(meter())
    devices = []
    for (const id of ['m-1', 'm-2', 'm-3']) devices.push(await stack.enrolDevice(id, { policy: 'meter' }))
    clients = await Promise.all(devices.map((device) => device.connect(kept)))
    for (const [index, client] of clients.entries()) {
      await client.subscribeAsync(`${of(`m-${index + 1}`)}/commands/#`, { qos: 1 })
      if (index < 2) await client.subscribeAsync(`${of(`m-${index + 1}`)}/firmware/#`, { qos: 1 })
    }
  })
  afterAll(async () => {
    for (const client of clients ?? []) await client.endAsync(true)
  })

  test('is in force for live connections before its receipt is written; what the preview counted is what is cut', async () => {
    const [first, , third] = clients
    const narrower = meter({ deny: [{ publish: ['+/+/+/+/telemetry/raw'] }, { subscribe: ['+/+/+/+/firmware/#'] }] })
    const expected = await preview({ save: narrower })
    expect(expected).toMatchObject({ sessions: 3, devices: 2, subscriptions: 2, missing: [] })
    expect(expected.first.map((one: { device: string }) => one.device).sort()).toEqual(['m-1', 'm-2'])
    expect(expected.first[0].filters[0]).toMatch(/\/firmware\/#$/)
    // Nothing has happened yet.
    await first?.publishAsync(`${of('m-1')}/telemetry/raw`, 'x', { qos: 1 })

    const told = first && nextEvent(first, 'disconnect')
    const { change, version } = await save(narrower)
    expect(version).toBe(2)
    const receipt = await receiptOf(change ?? '')
    expect(receipt).toMatchObject({ sessionsChanged: expected.sessions, subscriptionsCut: expected.subscriptions })
    expect(await told).toMatchObject({ reasonCode: 0x87 })

    // One that lost nothing stays connected, and is judged by the new version.
    const refusal = third?.publishAsync(`${of('m-3')}/telemetry/raw`, 'x', { qos: 1 })
    await expect(refusal).rejects.toMatchObject({ code: 0x87 })
    expect(third?.connected).toBe(true)
    await third?.publishAsync(`${of('m-3')}/telemetry/fine`, 'x', { qos: 1 })
  })

  test('the session that is kept has lost what was cut and nothing else', async () => {
    const [device] = devices
    const back = (await device?.connect(kept)) as MqttClient
    expect(await hears(back, `${of('m-1')}/commands/before`, `${of('m-1')}/commands/marker`)).toBe(true)
    expect(await hears(back, `${of('m-1')}/firmware/x`, `${of('m-1')}/commands/marker`)).toBe(false)
    await expect(back.subscribeAsync(`${of('m-1')}/firmware/#`, { qos: 1 })).rejects.toThrow('Not authorized')
    await back.endAsync(true)
  })

  test('check answers what the broker does, and names the rule', async () => {
    const client = (await devices[1]?.connect()) as MqttClient
    const topics = ['telemetry/a', 'telemetry/raw', 'state', 'renewal/response', 'commands/x']
    for (const tail of topics)
      for (const qos of [0, 1, 2] as const) {
        const topic = `${of('m-2')}/${tail}`
        const answer = await check('m-2', { publish: { topic, qos, bytes: 1 } })
        if (qos === 0) continue
        const done = await client.publishAsync(topic, 'x', { qos }).then(
          () => true,
          () => false,
        )
        expect(answer.allowed, `${topic} at ${qos}: ${answer.why}`).toBe(done)
      }
    for (const filter of [
      `${of('m-2')}/commands/#`,
      `${of('m-2')}/#`,
      `${of('m-2')}/firmware/x`,
      '#',
      broadcast('default'),
    ]) {
      const answer = await check('m-2', { subscribe: filter })
      const done = await client.subscribeAsync(filter, { qos: 1 }).then(
        () => true,
        () => false,
      )
      expect(answer.allowed, `${filter}: ${answer.why}`).toBe(done)
    }
    expect(await check('m-2', { publish: { topic: `${of('m-2')}/telemetry/raw` } })).toMatchObject({
      allowed: false,
      rule: 'deny[0]',
      text: { publish: ['+/+/+/+/telemetry/raw'] },
      policy: { name: 'meter', version: 2, attachedTo: 'claim' },
      why: expect.stringContaining('policy meter v2, deny[0]'),
    })
    await client.endAsync(true)
    const refusals = (await stack.api('/v1/devices/m-2/refusals')).json.items as { detail: string }[]
    expect(refusals.some(({ detail }) => detail.includes('policy meter v2'))).toBe(true)
  })
})

describe('moving a device to another group', () => {
  test('takes effect on the live connection; its old certificate reads nothing of the group before', async () => {
    const device = await stack.enrolDevice('mover', { group: 'north' })
    const other = await stack.enrolDevice('neighbour', { group: 'north' })
    const [client, neighbour] = [await device.connect(kept), await other.connect()]
    const marker = `${of('mover')}/commands/marker`
    await client.subscribeAsync([broadcast('north'), `${of('mover')}/commands/#`], { qos: 1 })
    await neighbour.subscribeAsync(broadcast('north'), { qos: 1 })
    expect(await hears(client, broadcast('north'), marker)).toBe(true)

    const expected = await preview({ move: { device: 'mover', group: 'south' } })
    expect(expected).toMatchObject({ sessions: 1, devices: 1, subscriptions: 1 })
    const closed = nextEvent(client, 'close')
    const moved = await patch('/v1/devices/mover', { group: 'south' })
    expect(moved.json).toMatchObject({ group: 'south', policy: 'device', policyFrom: 'preset' })
    expect(await receiptOf(moved.json.change)).toMatchObject({ sessionsChanged: 1, subscriptionsCut: 1 })
    await closed

    // The attack: the certificate says north until it is renewed.
    const again = await device.connect(kept)
    await expect(again.subscribeAsync(broadcast('north'), { qos: 1 })).rejects.toThrow('Not authorized')
    expect(await hears(again, broadcast('north'), marker)).toBe(false)
    await again.subscribeAsync(broadcast('south'), { qos: 1 })
    expect(await hears(again, broadcast('south'), marker)).toBe(true)
    expect(neighbour.connected).toBe(true)
    await Promise.all([again.endAsync(true), neighbour.endAsync(true)])
    const windows = (await stack.api('/v1/renewal-windows')).json.items
    expect(windows).toMatchObject([{ device: 'mover', fleet: 'default' }])
    const { items } = (await stack.api('/v1/groups')).json
    const names = items.map((group: { name: string }) => group.name)
    expect(names).toEqual(expect.arrayContaining(['north', 'south']))
  })
})

describe('attaching', () => {
  test('the most specific one is in force, and live connections follow', async () => {
    const device = await stack.enrolDevice('layers', { group: 'east' })
    const client = await device.connect()
    const only = (kind: string) => ({ name: `only-${kind}`, allow: [{ publish: [`only/${kind}/\${device}`] }] })
    for (const kind of ['fleet', 'group', 'device']) await save(only(kind))
    const inForce = async () => {
      const { policy, policyFrom } = (await stack.api('/v1/devices/layers')).json
      const answers = await Promise.all(
        ['fleet', 'group', 'device'].map((kind) =>
          client.publishAsync(`only/${kind}/layers`, 'x', { qos: 1 }).then(
            () => kind,
            () => '',
          ),
        ),
      )
      return [policy, policyFrom, ...answers.filter((kind) => kind !== '')]
    }
    const attach = async (path: string, policy: string | null) => {
      const { json } = await patch(path, { policy })
      await receiptOf(json.change)
    }
    expect(await inForce()).toEqual(['device', 'preset'])
    await attach('/v1/groups/east', 'only-group')
    expect(await inForce()).toEqual(['only-group', 'group', 'group'])
    await attach('/v1/devices/layers', 'only-device')
    expect(await inForce()).toEqual(['only-device', 'device', 'device'])
    await attach('/v1/groups/east', null)
    await attach('/v1/devices/layers', null)
    expect(await inForce()).toEqual(['device', 'preset'])
    expect((await stack.api('/v1/policies/only-group', { method: 'DELETE' })).status).toBe(204)
    await client.endAsync(true)
  })
})

describe('suspending', () => {
  test('closes the live connection and keeps the session; resuming lets it in again', async () => {
    const device = await stack.enrolDevice('paused')
    const client = await device.connect(kept)
    await client.subscribeAsync(`${of('paused')}/commands/#`, { qos: 1 })
    const closed = nextEvent(client, 'close')
    const suspended = await stack.api('/v1/devices/paused/suspend', { method: 'POST' })
    expect(await receiptOf(suspended.json.change)).toMatchObject({ connectionsClosed: 1, sessionPurged: false })
    await closed
    await expect(device.connect(kept)).rejects.toMatchObject({ code: 0x87 })
    expect(await check('paused', { subscribe: `${of('paused')}/commands/#` })).toMatchObject({ allowed: false })
    await backend.publishAsync(`${of('paused')}/commands/wake`, 'up', { qos: 1 })
    const resumed = await stack.api('/v1/devices/paused/resume', { method: 'POST' })
    await receiptOf(resumed.json.change)
    const heard: string[] = []
    // The queued command comes with the CONNACK: somebody must listen before.
    const back = connectMqtt(`mqtts://localhost:${stack.ports.mqtt}`, {
      ...device.credentials,
      ...{ ca: stack.ca, clientId: 'paused', protocolVersion: 5, reconnectPeriod: 0, ...kept },
    })
    back.on('message', (topic) => heard.push(topic))
    await waitFor('the queued command', () => heard.includes(`${of('paused')}/commands/wake`))
    await back.endAsync(true)
  })
})
