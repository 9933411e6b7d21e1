import { connect as connectMqtt, type MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

let stack: Stack
let attacker: EnrolledDevice
let victim: EnrolledDevice
let backend: MqttClient
const seenByBackend: string[] = []
const of = (id: string) => `fleets/default/devices/${id}`

beforeAll(async () => {
  stack = await startStack()
  attacker = await stack.enrolDevice('attacker')
  victim = await stack.enrolDevice('victim')
  const service = await stack.enrolDevice('backend', { profile: 'service' })
  backend = await service.connect()
  backend.on('message', (topic, payload) => seenByBackend.push(`${topic} ${payload}`))
  await backend.subscribeAsync('fleets/default/#', { qos: 1 })
})
afterAll(async () => {
  await backend?.endAsync(true)
  await stack?.[Symbol.asyncDispose]()
})

const codesOf = async (id: string) =>
  (await stack.api(`/v1/devices/${id}/refusals`)).json.items.map((item: { code: string }) => item.code) as string[]
const recorded = (id: string, code: string) =>
  waitFor(`${code} on record`, async () => (await codesOf(id)).includes(code))

/** Everything sent before the marker has been delivered or dropped when the marker arrives. */
async function barrier() {
  const marker = `${of('victim')}/state marker-${Math.random()}`
  const [topic = '', payload = ''] = marker.split(' ')
  const client = await victim.connect()
  await client.publishAsync(topic, payload, { qos: 1 })
  await waitFor('the marker', () => seenByBackend.includes(marker))
  await client.endAsync()
}

describe('publishing', () => {
  test.each([
    `${of('victim')}/telemetry`,
    `${of('attacker')}/commands/reboot`,
    'fleets/default/groups/default/broadcast/x',
    'fleets/other/devices/attacker/telemetry',
    '$SYS/broker/new/clients',
    '$share/g/x',
    'anything',
  ])('to %s is refused with a reason, recorded, and reaches nobody (MQTT 5)', async (topic) => {
    const client = await attacker.connect({ protocolVersion: 5 })
    await expect(client.publishAsync(topic, 'evil', { qos: 1 })).rejects.toMatchObject({ code: 0x87 })
    await client.publishAsync(topic, 'evil', { qos: 0 })
    expect(client.connected).toBe(true)
    await client.publishAsync(`${of('attacker')}/telemetry`, 'fine', { qos: 1 })
    await client.endAsync()
    await recorded('attacker', 'publish-denied')
    await barrier()
    expect(seenByBackend.filter((message) => message.endsWith(' evil'))).toEqual([])
    const { rows } = await stack.query("select 1 from telemetry where payload = 'evil'")
    expect(rows).toEqual([])
  })

  test('closes the connection of an MQTT 3.1.1 client, which knows no reason codes', async () => {
    const client = await attacker.connect({ protocolVersion: 4 })
    const closed = nextEvent(client, 'close')
    client.publish(`${of('victim')}/telemetry`, 'evil', { qos: 1 })
    await closed
    await client.endAsync(true)
  })

  test('a will on another device’s topic is refused at CONNECT', async () => {
    const will = { topic: `${of('victim')}/events/dead`, payload: Buffer.from('evil'), qos: 1 as const, retain: false }
    for (const protocolVersion of [4, 5] as const)
      await expect(attacker.connect({ protocolVersion, will })).rejects.toThrow()
    await recorded('attacker', 'will-denied')
    await barrier()
    expect(seenByBackend.filter((message) => message.endsWith(' evil'))).toEqual([])
  })

  test('a will on its own topic is published when the connection breaks', async () => {
    const will = {
      topic: `${of('attacker')}/events/dead`,
      payload: Buffer.from('gone'),
      qos: 1 as const,
      retain: false,
    }
    const client = await attacker.connect({ will })
    client.stream.destroy()
    await waitFor('the will', () => seenByBackend.includes(`${will.topic} gone`))
    await client.endAsync(true)
  })

  test('a retained message is refused', async () => {
    const client = await attacker.connect({ protocolVersion: 5 })
    const attempt = client.publishAsync(`${of('attacker')}/state`, 'evil', { qos: 1, retain: true })
    await expect(attempt).rejects.toMatchObject({ code: 0x87 })
    await client.endAsync()
  })
})

describe('subscribing', () => {
  test.each([
    '#',
    '+/#',
    'fleets/#',
    'fleets/default/devices/+/telemetry',
    `${of('victim')}/commands/#`,
    `${of('attacker')}/#`,
    'fleets/default/groups/+/broadcast/#',
    '$SYS/#',
    `$share/g/${of('victim')}/commands/#`,
  ])('to %s is refused', async (filter) => {
    for (const protocolVersion of [4, 5] as const) {
      const client = await attacker.connect({ protocolVersion })
      const heard: string[] = []
      client.on('message', (topic) => heard.push(topic))
      await expect(client.subscribeAsync(filter, { qos: 1 })).rejects.toThrow()
      await backend.publishAsync(`${of('victim')}/commands/x`, 'secret', { qos: 1 })
      await backend.publishAsync(`${of('attacker')}/commands/end`, 'end', { qos: 1 })
      await client.subscribeAsync(`${of('attacker')}/commands/#`, { qos: 1 })
      await backend.publishAsync(`${of('attacker')}/commands/end`, 'end', { qos: 1 })
      await waitFor('the allowed message', () => heard.includes(`${of('attacker')}/commands/end`))
      expect(new Set(heard)).toEqual(new Set([`${of('attacker')}/commands/end`]))
      await client.endAsync()
    }
    await recorded('attacker', 'subscribe-denied')
  })

  test('a persistent session keeps nothing of a refused filter: no message is queued for it', async () => {
    const options = { clean: false, properties: { sessionExpiryInterval: 3_600 } }
    const client = await attacker.connect(options)
    const granted = client.subscribeAsync([`${of('attacker')}/commands/#`, `${of('victim')}/commands/#`], { qos: 1 })
    await granted.catch(() => {})
    await client.endAsync()
    await backend.publishAsync(`${of('victim')}/commands/secret`, 'secret', { qos: 1 })
    await backend.publishAsync(`${of('attacker')}/commands/own`, 'own', { qos: 1 })
    // Queued messages follow CONNACK at once: listen before connecting.
    const heard: string[] = []
    const back = connectMqtt(`mqtts://localhost:${stack.ports.mqtt}`, {
      ...attacker.credentials,
      ca: stack.ca,
      clientId: 'attacker',
      protocolVersion: 5,
      reconnectPeriod: 0,
      ...options,
    })
    back.on('message', (topic) => heard.push(topic))
    await waitFor('the queued message', () => heard.includes(`${of('attacker')}/commands/own`))
    expect(heard.filter((topic) => topic.includes('victim'))).toEqual([])
    await back.endAsync()
  })

  test('a retained message reaches only those who may read its topic', async () => {
    await backend.publishAsync(`${of('victim')}/commands/mode`, 'retained-secret', { qos: 1, retain: true })
    const client = await attacker.connect()
    const heard: string[] = []
    client.on('message', (_, payload) => heard.push(payload.toString()))
    await client.subscribeAsync('fleets/default/devices/+/commands/#', { qos: 1 }).catch(() => {})
    await client.subscribeAsync(`${of('attacker')}/commands/#`, { qos: 1 })
    await backend.publishAsync(`${of('attacker')}/commands/end`, 'end', { qos: 1 })
    await waitFor('the allowed message', () => heard.includes('end'))
    expect(heard).not.toContain('retained-secret')
    const owner = await victim.connect()
    const got: string[] = []
    await owner.on('message', (_, payload) => got.push(payload.toString()))
    await owner.subscribeAsync(`${of('victim')}/commands/#`, { qos: 1 })
    await waitFor('the retained message', () => got.includes('retained-secret'))
    await Promise.all([client.endAsync(), owner.endAsync()])
  })
})
