import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Conformance, commands, startConformance } from './harness.ts'

let suite: Conformance
beforeAll(async () => {
  suite = await startConformance()
})
afterAll(() => suite[Symbol.asyncDispose]())

describe('3.9 SUBACK', () => {
  test('[MQTT-3.9.3-1] one code for each filter in its order, repeated ones and numbers included', async () => {
    const client = await suite.open(await suite.device('ordered'), 5)
    const own = (end: string) => commands('ordered', end)
    const suback = await client.subscribe([own('b'), '2', own('a'), 'elsewhere/#', own('b'), '1', '$share/x/y'])
    expect(suback.granted).toEqual([1, 0x87, 1, 0x87, 1, 0x87, 0x87])
    await client.drop()
  })

  test('3.9.2.1.2 the reason names filter and rule, unless the client does not want to know', async () => {
    const device = await suite.device('asking')
    const client = await suite.open(device, 5)
    const suback = await client.subscribe('fleets/default/devices/other/#')
    expect(suback.properties?.reasonString).toMatch(
      /^subscribe-denied: fleets\/default\/devices\/other\/#: policy device/,
    )
    await client.drop()
    const terse = await suite.open(device, 5, { properties: { requestProblemInformation: false } })
    expect((await terse.subscribe('elsewhere/#')).properties).toBeUndefined()
    await terse.drop()
  })

  test('3.9.3 of MQTT 3.1.1 knows one code for every refusal', async () => {
    const client = await suite.open(await suite.device('old'), 4)
    const suback = await client.subscribe([commands('old', 'a'), 'elsewhere/#', '$share/x/y'])
    expect(suback.granted).toEqual([1, 0x80, 0x80])
    await client.drop()
  })

  test('above the policy’s number of subscriptions: 0x97', async () => {
    const client = await suite.open(await suite.device('many'), 5)
    const filters = Array.from({ length: 21 }, (_, index) => commands('many', `${index}`))
    expect((await client.subscribe(filters)).granted.at(-1)).toBe(0x97)
    await client.drop()
  })

  test('the QoS granted is the policy’s at most, and [MQTT-3.8.4-3] a repeated filter takes the place of the first', async () => {
    const client = await suite.open(await suite.service('twice'), 5)
    await client.subscribe(commands('twice', 'x'), { qos: 2 })
    expect((await client.subscribe(commands('twice', 'x'), { qos: 0 })).granted).toEqual([0])
    await client.publish(commands('twice', 'x'), 'x', { qos: 2 })
    const [packet] = await client.publishes(1)
    await client.roundTrip()
    expect(client.published()).toHaveLength(1)
    expect(packet?.qos).toBe(0)
    await client.drop()
  })
})

describe('3.11 UNSUBACK', () => {
  test('[MQTT-3.11.3-1] a code for each filter in its order, and nothing comes after it', async () => {
    const client = await suite.open(await suite.service('leaving'), 5)
    await client.subscribe(commands('leaving', 'x'))
    client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['never/was', commands('leaving', 'x')] })
    expect(await client.next('unsuback')).toMatchObject({ messageId: 9, granted: [0x11, 0] })
    await client.publish(commands('leaving', 'x'), 'x')
    await client.roundTrip()
    expect(client.published()).toEqual([])
    await client.drop()
  })
})

describe('4.7.2 topics beginning with $', () => {
  test('the node reports to services what it does, the latest at once', async () => {
    const client = await suite.open(await suite.service('overseer'), 5)
    expect((await client.subscribe('$SYS/broker/#', { qos: 2 })).granted).toEqual([0])
    await client.next('publish', 8)
    const reports = Object.fromEntries(client.published().map(({ topic, payload }) => [topic, payload.toString()]))
    expect(Object.keys(reports).map((topic) => topic.replace('$SYS/broker/broker-1/', ''))).toEqual([
      'version',
      'uptime',
      'connections',
      'messages/received',
      'messages/sent',
      'messages/stored',
      'messages/dropped',
      'refused',
    ])
    expect(client.published().every(({ retain, qos }) => retain && qos === 0)).toBe(true)
    await client.drop()
  })

  test('no device reads them, nobody writes them, and of aedes’ own there is nothing to read', async () => {
    const device = await suite.open(await suite.device('nosy'), 5)
    expect((await device.subscribe(['$SYS/broker/#', '$SYS/#', '#'])).granted).toEqual([0x87, 0x87, 0x87])
    const service = await suite.open(await suite.service('nosy-service'), 5)
    const suback = await service.subscribe(['$SYS/#', '$SYS/broker-1/#', '$SYS/+/new/clients'])
    expect(suback.granted).toEqual([0x87, 0x87, 0x87])
    service.send({
      cmd: 'publish',
      topic: '$SYS/broker/broker-1/version',
      payload: 'x',
      qos: 1,
      messageId: 5,
      dup: false,
      retain: false,
    })
    expect(await service.next('puback')).toMatchObject({ reasonCode: 0x87 })
    await device.drop()
    await service.drop()
  })
})
