import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { nextEvent, rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

const dayMs = 86_400_000
let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { pollMs: 100 } })
  await muster.addDevice('first')
  await muster.allowLate(2)
})
afterAll(() => muster?.[Symbol.asyncDispose]())

const endedAgo = (ms: number) => ({
  notBefore: new Date(Date.now() - ms - dayMs),
  notAfter: new Date(Date.now() - ms),
})
const late = (id: string, ms = 60_000) => muster.addDevice(id, endedAgo(ms))
const topicOf = (id: string, rest: string) => `fleets/default/devices/${id}/${rest}`

async function connectRaw(device: TestDevice, more = {}, port = muster.broker.mqttPort) {
  const socket = await muster.openTls(device, { port })
  const raw = rawClient(socket, 5)
  raw.connect(device.id, { clean: false, properties: { sessionExpiryInterval: 3_600 }, ...more })
  return { socket, raw, connack: await raw.next('connack') }
}

describe('a late device', () => {
  test('is let in to renew: it may ask and hear the answer', async () => {
    const { raw, connack } = await connectRaw(await late('asks'))
    expect(connack).toMatchObject({ reasonCode: 0, sessionPresent: false, properties: { sessionExpiryInterval: 0 } })
    raw.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: topicOf('asks', 'renewal/response'), qos: 1 }],
    })
    expect(await raw.next('suback')).toMatchObject({ granted: [1] })
    const publish = { cmd: 'publish', payload: '{}', qos: 1, dup: false, retain: false } as const
    raw.send({ ...publish, topic: topicOf('asks', 'renewal/request'), messageId: 2 })
    await raw.next('puback')
    const { rows } = await muster.db.execute(sql`select node from renewal_requests where device = 'asks'`)
    expect(rows).toEqual([{ node: 'broker-1' }])
  })

  test('may do nothing else: no telemetry, no commands', async () => {
    const { raw } = await connectRaw(await late('quiet'))
    raw.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: topicOf('quiet', 'commands/#'), qos: 1 }] })
    expect(await raw.next('suback')).toMatchObject({ granted: [0x80 | 0x07] })
    const publish = { cmd: 'publish', payload: 'x', qos: 1, dup: false, retain: false } as const
    raw.send({ ...publish, topic: topicOf('quiet', 'telemetry/t'), messageId: 2 })
    expect(await raw.next('puback')).toMatchObject({ reasonCode: 0x87 })
    const { rows } = await muster.db.execute(sql`select from telemetry where device = 'quiet'`)
    expect(rows).toEqual([])
  })

  test('leaves no will, also where it brings one', async () => {
    const service = await muster.connect(await muster.addDevice('mourner', { profile: 'service' }))
    const heard: string[] = []
    service.on('message', (topic) => heard.push(topic))
    await service.subscribeAsync('fleets/default/devices/+/events/#', { qos: 1 })
    const will = (id: string) => ({
      will: { topic: topicOf(id, 'events/gone'), payload: Buffer.from('x'), qos: 1 as const, retain: false },
    })
    const { socket, connack } = await connectRaw(await late('gone'), will('gone'))
    expect(connack).toMatchObject({ reasonCode: 0 })
    socket.destroy()
    const control = await connectRaw(await muster.addDevice('control'), will('control'))
    control.socket.destroy()
    await vi.waitFor(() => expect(heard).toEqual([topicOf('control', 'events/gone')]), 5_000)
    await service.endAsync()
  })

  test('finds the session of before when it has renewed', async () => {
    const device = await late('patient')
    const inTime = await muster.renewDevice(device, { active: true })
    const kept = await connectRaw(inTime)
    kept.raw.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: topicOf('patient', 'commands/#'), qos: 1 }],
    })
    await kept.raw.next('suback')
    kept.socket.destroy()
    const expired = await muster.renewDevice(inTime, { active: true, ...endedAgo(60_000) })
    const between = await connectRaw(expired)
    expect(between.connack).toMatchObject({ reasonCode: 0, sessionPresent: false })
    between.socket.destroy()
    const after = await connectRaw(await muster.renewDevice(expired))
    expect(after.connack).toMatchObject({ reasonCode: 0, sessionPresent: true })
    after.socket.destroy()
  })

  test('whose time runs out while it is connected is sent away, and may come back to renew', async () => {
    const device = await muster.addDevice('overtaken', { notAfter: new Date(Date.now() + 2_500) })
    const client = await muster.connect(device, { protocolVersion: 5 })
    const told = nextEvent(client, 'disconnect')
    expect(await told).toMatchObject({ properties: { reasonString: 'certificate-expired' } })
    const { connack } = await connectRaw(device)
    expect(connack).toMatchObject({ reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
  })

  test('who is revoked is closed like any other', async () => {
    const device = await late('caught')
    const { raw } = await connectRaw(device)
    expect(await muster.receipt(await muster.change(device, 'revoke'))).toMatchObject({ connectionsClosed: 1 })
    await raw.closed
    expect((await connectRaw(device)).connack).toMatchObject({ reasonCode: 0x87 })
  })
})

describe('refused', () => {
  const codeOf = async (device: TestDevice) => {
    const { connack } = await connectRaw(device)
    expect(connack).toMatchObject({ reasonCode: 0x87 })
    return String(connack.cmd === 'connack' && connack.properties?.reasonString).split(':')[0]
  }

  test('who is later than the fleet allows', async () => {
    expect(await codeOf(await late('too-late', 3 * dayMs))).toBe('certificate-expired')
  })

  test('whose certificate is not valid yet', async () => {
    const device = await muster.addDevice('too-early', { notBefore: new Date(Date.now() + dayMs) })
    expect(await codeOf(device)).toBe('certificate-not-yet-valid')
  })

  test('whose expired certificate another has replaced', async () => {
    const device = await late('replaced')
    await muster.renewDevice(device, { active: true })
    expect(await codeOf(device)).toBe('certificate-superseded')
  })

  test('who shows an expired certificate that the registry has not issued', async () => {
    await muster.addDevice('forged')
    expect(await codeOf(await muster.addDevice('forged', { ...endedAgo(60_000), unknown: true }))).toBe(
      'certificate-unknown',
    )
  })
})
