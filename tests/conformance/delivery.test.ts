import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Conformance, commands, kept, last, startConformance } from './harness.ts'

let suite: Conformance
let backend: Awaited<ReturnType<Conformance['open']>>
beforeAll(async () => {
  suite = await startConformance()
  backend = await suite.open(await suite.service('backend'), 5)
})
afterAll(() => suite[Symbol.asyncDispose]())

describe('3.3.1 flags of a PUBLISH', () => {
  test('[MQTT-3.3.1-1] [MQTT-4.4.0-1] [MQTT-4.6.0-1] what was sent comes again with DUP, its id and its place', async () => {
    const device = await suite.device('again')
    const client = await suite.open(device, 5, kept())
    await client.subscribe(commands('again', '#'))
    for (const n of [1, 2, 3]) await backend.publish(commands('again', `${n}`), 'x')
    const sent = await client.publishes(3)
    expect(sent.map(({ dup }) => dup)).toEqual([false, false, false])
    client.send({ cmd: 'puback', messageId: sent[1]?.messageId ?? 0 })
    await client.roundTrip()
    await client.drop()
    await backend.publish(commands('again', '4'), 'x')
    const back = await suite.open(device, 5, kept())
    const resent = await back.publishes(3)
    expect(resent.map(({ topic, dup }) => [last(topic), dup])).toEqual([
      ['1', true],
      ['3', true],
      ['4', false],
    ])
    expect(resent.slice(0, 2).map(({ messageId }) => messageId)).toEqual([sent[0]?.messageId, sent[2]?.messageId])
    // [MQTT-2.2.1-4]: a new message has an id that is not in use.
    expect(new Set(resent.map(({ messageId }) => messageId)).size).toBe(3)
    await back.drop()
  })

  test('[MQTT-3.3.1-12] [MQTT-3.3.1-13] the retain flag is cleared unless it is wanted as published', async () => {
    const client = await suite.open(await suite.device('flagged'), 5)
    await client.subscribe(commands('flagged', 'a'), { rap: true })
    await client.subscribe(commands('flagged', 'b'), { rap: false })
    for (const end of ['a', 'b']) await backend.publish(commands('flagged', end), 'x', { retain: true })
    const got = await client.publishes(2)
    expect(got.map(({ topic, retain }) => [last(topic), retain])).toEqual([
      ['a', true],
      ['b', false],
    ])
    await client.drop()
  })
})

describe('3.3.1.3 retained messages', () => {
  const topic = (end: string) => commands('keeper', end)
  test('[MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] are sent as retain handling 0, 1 and 2 have it', async () => {
    await backend.publish(topic('r'), 'kept', { retain: true })
    const client = await suite.open(await suite.device('keeper'), 5)
    const counts: number[] = []
    for (const [filter, rh] of [
      ['r', 0],
      ['r', 0],
      ['r', 1],
      ['+', 1],
      ['+', 1],
      ['#', 2],
    ] as const) {
      await client.subscribe(topic(filter), { rh })
      await client.roundTrip()
      await client.roundTrip()
      counts.push(client.published().length)
    }
    expect(counts).toEqual([1, 2, 2, 3, 3, 3])
    expect(client.published().every(({ retain }) => retain)).toBe(true)
    await client.drop()
  })

  test('carry the identifier of the new subscription, at no more than its QoS', async () => {
    await backend.publish(topic('id'), 'kept', { retain: true, qos: 2, properties: { contentType: 'text/x' } })
    const client = await suite.open(await suite.device('identified'), 5, {})
    const service = await suite.open(await suite.service('identified-service'), 5)
    await service.subscribe(topic('id'), { qos: 1 }, { subscriptionIdentifier: 77 })
    expect(await service.next('publish')).toMatchObject({
      qos: 1,
      retain: true,
      properties: { subscriptionIdentifier: 77, contentType: 'text/x' },
    })
    await service.drop()
    await client.drop()
  })

  test.each(['kept', 'clean'] as const)('at QoS 1 are acknowledged like others (%s session)', async (session) => {
    await backend.publish(topic(session), 'state', { retain: true })
    const service = await suite.service(`reader-${session}`)
    const client = await suite.open(service, 5, session === 'kept' ? kept() : {})
    await client.subscribe(topic(session))
    const [first] = await client.publishes(1)
    expect(first).toMatchObject({ qos: 1, retain: true })
    await client.drop()
    const back = await suite.open(service, 5, kept())
    await back.roundTrip()
    if (session === 'kept') expect(await back.next('publish')).toMatchObject({ dup: true, retain: true })
    else expect(back.published()).toEqual([])
    await back.drop()
  })
})

describe('3.3.2.3 properties', () => {
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'application/json',
    responseTopic: 'reply/to',
    correlationData: Buffer.from([0, 1, 255]),
    userProperties: { b: ['2', '1'], a: 'x' },
  }
  test.each([0, 1, 2] as const)('[MQTT-3.3.2-4] [MQTT-3.3.2-17] pass unaltered, in order (QoS %i)', async (qos) => {
    const client = await suite.open(await suite.device(`props-${qos}`), 5)
    await client.subscribe(commands(`props-${qos}`, '#'), { qos: 2 })
    await backend.publish(commands(`props-${qos}`, 'x'), 'body', { qos, properties })
    const [packet] = await client.publishes(1)
    expect(packet).toMatchObject({ qos, payload: Buffer.from('body') })
    expect(JSON.parse(JSON.stringify(packet?.properties))).toEqual(JSON.parse(JSON.stringify(properties)))
    await client.drop()
  })

  test('3.3.2.3.3 of a message that waited, the expiry interval is what is left; an expired one is gone', async () => {
    const device = await suite.device('late')
    const client = await suite.open(device, 5, kept())
    await client.subscribe(commands('late', '#'))
    await client.leave()
    await backend.publish(commands('late', 'short'), 'x', { properties: { messageExpiryInterval: 1 } })
    await backend.publish(commands('late', 'long'), 'x', { properties: { messageExpiryInterval: 100 } })
    const until = Date.now() + 1_100
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(until), 5_000)
    const back = await suite.open(device, 5, kept())
    const [packet] = await back.publishes(1)
    await back.roundTrip()
    expect(back.published()).toHaveLength(1)
    expect(packet).toMatchObject({ topic: commands('late', 'long') })
    const left = packet?.properties?.messageExpiryInterval ?? 0
    expect(left).toBeLessThan(100)
    expect(left).toBeGreaterThan(50)
    await back.drop()
  })

  test('MQTT 3.1.1 subscribers get the message without any', async () => {
    const client = await suite.open(await suite.device('plain'), 4)
    await client.subscribe(commands('plain', '#'))
    await backend.publish(commands('plain', 'x'), 'body', { properties })
    const [packet] = await client.publishes(1)
    expect(packet).toMatchObject({ payload: Buffer.from('body'), qos: 1 })
    await client.drop()
  })
})

describe('3.3.4 overlapping subscriptions', () => {
  test.each(['kept', 'clean'] as const)(
    '[MQTT-3.3.4-4] [MQTT-3.3.5-1] one copy, the highest QoS, every identifier (%s session)',
    async (session) => {
      const id = `overlap-${session}`
      const client = await suite.open(await suite.service(id), 5, session === 'kept' ? kept() : {})
      await client.subscribe(commands(id, '#'), { qos: 0 }, { subscriptionIdentifier: 1 })
      await client.subscribe(commands(id, '+'), { qos: 2 }, { subscriptionIdentifier: 2 })
      await client.subscribe(commands(id, 'x'), { qos: 1 }, { subscriptionIdentifier: 3 })
      await backend.publish(commands(id, 'x'), 'once', { qos: 2 })
      const [packet] = await client.publishes(1)
      await client.roundTrip()
      expect(client.published()).toHaveLength(1)
      expect(packet?.qos).toBe(2)
      const identifiers = [packet?.properties?.subscriptionIdentifier ?? []].flat()
      expect(identifiers.toSorted()).toEqual([1, 2, 3])
      await client.drop()
    },
  )

  test('[MQTT-3.8.3-3] no local keeps a client’s own messages from it, live and queued', async () => {
    const device = await suite.service('local')
    const client = await suite.open(device, 5, kept())
    await client.subscribe(commands('local', '#'), { nl: true })
    await client.publish(commands('local', 'mine'), 'x')
    await backend.publish(commands('local', 'other'), 'x')
    const [packet] = await client.publishes(1)
    expect(last(packet?.topic ?? '')).toBe('other')
    await client.roundTrip()
    await client.drop()
    const back = await suite.open(device, 5, kept())
    await back.publishes(1)
    await back.roundTrip()
    expect(back.published().map(({ topic }) => last(topic))).toEqual(['other'])
    await back.drop()
  })
})

describe('3.1.2.11.4 maximum packet size of the client', () => {
  test('[MQTT-3.1.2-24] [MQTT-3.1.2-25] what is larger is not sent, and all goes on as if it were', async () => {
    const device = await suite.device('tiny')
    const client = await suite.open(device, 5, {
      clean: false,
      properties: { sessionExpiryInterval: 60, maximumPacketSize: 200 },
    })
    await client.subscribe(commands('tiny', '#'))
    await backend.publish(commands('tiny', 'large'), Buffer.alloc(300))
    await backend.publish(commands('tiny', 'small'), 'x')
    const [packet] = await client.publishes(1)
    expect(last(packet?.topic ?? '')).toBe('small')
    await client.drop()
    // Nor later, to the same session with more room.
    const back = await suite.open(device, 5, kept())
    await back.publishes(1)
    await back.roundTrip()
    expect(back.published().map(({ topic }) => last(topic))).toEqual(['small'])
    await back.drop()
  })
})

describe('3.3.2.3.4 topic aliases towards the client', () => {
  test('[MQTT-3.1.2-26] as many as it takes: with the name first, alone afterwards, anew on each connection', async () => {
    const device = await suite.device('brief')
    for (const _ of [1, 2]) {
      const client = await suite.open(device, 5, { properties: { topicAliasMaximum: 1 } })
      await client.subscribe(commands('brief', '#'), { qos: 2 })
      for (const qos of [0, 1, 2] as const) await backend.publish(commands('brief', 'a'), 'x', { qos })
      await backend.publish(commands('brief', 'b'), 'x')
      const got = await client.publishes(4)
      expect(got.map(({ topic, properties }) => [topic, properties?.topicAlias])).toEqual([
        [commands('brief', 'a'), 1],
        ['', 1],
        ['', 1],
        [commands('brief', 'b'), undefined],
      ])
      await client.drop()
    }
  })
})
