import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Conformance, commands, kept, startConformance } from './harness.ts'

let suite: Conformance
beforeAll(async () => {
  suite = await startConformance({ limits: { sessionExpirySeconds: 7_200, keepAliveSeconds: 600 } })
})
afterAll(() => suite[Symbol.asyncDispose]())

describe('3.2.2.1 session present', () => {
  test.each([4, 5] as const)('[MQTT-3.2.2-2] a session without subscriptions is one (MQTT %s)', async (version) => {
    const device = await suite.device(`bare-${version}`)
    const first = await suite.open(device, version, kept())
    expect(first.connack.sessionPresent).toBe(false)
    await first.leave()
    const second = await suite.open(device, version, kept())
    expect(second.connack.sessionPresent).toBe(true)
    await second.leave()
    const fresh = await suite.open(device, version, { ...kept(), clean: true })
    expect(fresh.connack.sessionPresent).toBe(false)
    await fresh.drop()
  })

  test('[MQTT-3.1.2-4] a session with expiry 0 ends with its connection', async () => {
    const device = await suite.device('brief')
    await (await suite.open(device, 5, kept(0))).leave()
    const again = await suite.open(device, 5, kept(0))
    expect(again.connack.sessionPresent).toBe(false)
    await again.drop()
  })

  test('[MQTT-3.14.2-2] DISCONNECT ends a session that would have been kept', async () => {
    const device = await suite.device('changed')
    const client = await suite.open(device, 5, kept())
    client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
    await client.closed
    const again = await suite.open(device, 5, kept())
    expect(again.connack.sessionPresent).toBe(false)
    await again.drop()
  })

  test('3.14.2.2.2 a session that was not to be kept cannot be at DISCONNECT: 0x82', async () => {
    const device = await suite.device('greedy')
    const client = await suite.open(device, 5)
    client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 60 } })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    await client.closed
    const again = await suite.open(device, 5, kept())
    expect(again.connack.sessionPresent).toBe(false)
    await again.drop()
  })
})

describe('3.2.2.3 properties', () => {
  test('say what the node does and does not do', async () => {
    const client = await suite.open(await suite.device('curious'), 5, {
      keepalive: 3_600,
      properties: { sessionExpiryInterval: 1_000_000 },
    })
    expect(client.connack.properties).toMatchObject({
      receiveMaximum: 256,
      maximumPacketSize: 262_144,
      retainAvailable: true,
      wildcardSubscriptionAvailable: true,
      subscriptionIdentifiersAvailable: true,
      sharedSubscriptionAvailable: false,
      // [MQTT-3.2.2-21] clamped
      sessionExpiryInterval: 7_200,
      serverKeepAlive: 600,
    })
    expect(client.connack.properties).not.toHaveProperty('responseInformation')
    await client.drop()
  })

  test('what is as asked for is not repeated; services may share', async () => {
    const client = await suite.open(await suite.service('modest'), 5, {
      keepalive: 30,
      properties: { sessionExpiryInterval: 60 },
    })
    expect(client.connack.properties).toMatchObject({ sharedSubscriptionAvailable: true })
    expect(client.connack.properties).not.toHaveProperty('serverKeepAlive')
    expect(client.connack.properties).not.toHaveProperty('sessionExpiryInterval')
    await client.drop()
  })

  test('MQTT 3.1.1 keeps a longer keep alive than the node’s', async () => {
    const client = await suite.open(await suite.device('calm'), 4, { keepalive: 0 })
    expect(client.connack).toMatchObject({ returnCode: 0 })
    await client.roundTrip()
    await client.drop()
  })
})

describe('3.1.2.10 keep alive', () => {
  test('[MQTT-3.1.2-22] after one and a half times of silence: 0x8D', async () => {
    const client = await suite.open(await suite.device('silent'), 5, { keepalive: 1 })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8d })
    await client.closed
  })
})

describe('3.1.2.5 will', () => {
  const will = (topic: string, properties = {}) => ({
    will: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: false, properties },
  })
  const watch = async (name: string) => {
    const watcher = await suite.open(await suite.service(`watch-${name}`), 5)
    await watcher.subscribe(`fleets/default/devices/${name}/#`)
    return watcher
  }
  const state = (id: string) => `fleets/default/devices/${id}/state/will`

  test('[MQTT-3.1.2-8] is published when the connection breaks, with its properties', async () => {
    const watcher = await watch('broken')
    const properties = {
      contentType: 'text/plain',
      responseTopic: 'a/b',
      correlationData: Buffer.from('c'),
      userProperties: { k: 'v' },
    }
    const client = await suite.open(await suite.device('broken'), 5, will(state('broken'), properties))
    await client.drop()
    expect(await watcher.next('publish')).toMatchObject({
      topic: state('broken'),
      properties: { contentType: 'text/plain', responseTopic: 'a/b', correlationData: Buffer.from('c') },
    })
    await watcher.drop()
  })

  test('[MQTT-3.14.4-3] is void after DISCONNECT, and published after 0x04', async () => {
    const watcher = await watch('polite')
    const device = await suite.device('polite')
    const client = await suite.open(device, 5, will(state('polite')))
    await client.leave()
    const again = await suite.open(device, 5, will(state('polite')))
    again.send({ cmd: 'disconnect', reasonCode: 0x04 })
    await again.closed
    await watcher.next('publish')
    await watcher.roundTrip()
    expect(watcher.published()).toHaveLength(1)
    await watcher.drop()
  })

  test('[MQTT-3.1.3-9] a delayed one is void when the session goes on', async () => {
    const watcher = await watch('delayed')
    const device = await suite.device('delayed')
    const client = await suite.open(device, 5, { ...kept(), ...will(state('delayed'), { willDelayInterval: 30 }) })
    await client.drop()
    const back = await suite.open(device, 5, kept())
    await back.publish(state('delayed').replace('will', 'back'), 'x')
    await watcher.next('publish')
    expect(watcher.published().map(({ topic }) => topic)).toEqual([state('delayed').replace('will', 'back')])
    await back.drop()
    await watcher.drop()
  })

  test('[MQTT-3.1.2-8] a delayed one is published when its session ends before: a clean start', async () => {
    const watcher = await watch('restarted')
    const device = await suite.device('restarted')
    const client = await suite.open(device, 5, { ...kept(), ...will(state('restarted'), { willDelayInterval: 3_000 }) })
    await client.drop()
    const back = await suite.open(device, 5, { clean: true })
    expect(await watcher.next('publish')).toMatchObject({ topic: state('restarted') })
    await back.drop()
    await watcher.drop()
  })

  test('a will that the policy forbids by then reaches nobody', async () => {
    const watcher = await suite.open(await suite.service('watch-cut'), 5)
    await watcher.subscribe('fleets/default/#')
    const device = await suite.device('cut')
    const client = await suite.open(device, 5, { ...kept(), ...will(state('cut'), { willDelayInterval: 1 }) })
    const change = await suite.muster.change(device, 'revoke')
    await client.closed
    await suite.muster.receipt(change)
    await watcher.publish(commands('cut', 'marker'), 'x')
    await watcher.next('publish')
    expect(watcher.published().filter(({ topic }) => topic === state('cut'))).toEqual([])
    await watcher.drop()
  })
})
