import type { IPublishPacket, Packet } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Conformance, commands, kept, last, type RawClient, startConformance } from './harness.ts'

let suite: Conformance
let backend: RawClient
beforeAll(async () => {
  suite = await startConformance({ limits: { sendMaximum: 10 } })
  backend = await suite.open(await suite.service('backend'), 5)
})
afterAll(() => suite[Symbol.asyncDispose]())

const sessions = ['kept', 'clean'] as const
const open = async (id: string, session: (typeof sessions)[number], version: 4 | 5 = 5, properties = {}) =>
  suite.open(await suite.device(id), version, {
    clean: session === 'clean',
    properties: version === 5 ? { ...properties, sessionExpiryInterval: session === 'kept' ? 3_600 : 0 } : undefined,
  } as object)
const burst = async (id: string, count: number, qos: 1 | 2 = 1) => {
  for (let n = 1; n <= count; n++) await backend.publish(commands(id, `${n}`), 'x', { qos })
}
const idOf = (packet: IPublishPacket | undefined) => packet?.messageId ?? 0

describe('4.9 flow control', () => {
  test.each(sessions)(
    '[MQTT-3.3.4-7] [MQTT-4.9.0-2] no more than the client’s receive maximum (%s session)',
    async (session) => {
      const client = await open(`window-${session}`, session, 5, { receiveMaximum: 3 })
      await client.subscribe(commands(`window-${session}`, '#'), { qos: 2 })
      await burst(`window-${session}`, 8)
      // QoS 0 is not held up by it. [MQTT-4.9.0-2]
      await backend.publish(commands(`window-${session}`, 'zero'), 'x', { qos: 0 })
      await vi.waitFor(() => expect(client.published().at(-1)?.qos).toBe(0), 5_000)
      expect(client.published().filter(({ qos }) => qos > 0)).toHaveLength(3)
      const acknowledged = new Set<number>()
      while (acknowledged.size < 8) {
        const open = await vi.waitFor(() => {
          const waiting = client.published().filter(({ qos, messageId = 0 }) => qos > 0 && !acknowledged.has(messageId))
          expect(waiting.length).toBeGreaterThan(0)
          return waiting
        }, 5_000)
        expect(open.length).toBeLessThanOrEqual(3)
        const [oldest] = open
        acknowledged.add(idOf(oldest))
        client.send({ cmd: 'puback', messageId: idOf(oldest) })
        await client.roundTrip()
      }
      const order = client
        .published()
        .filter(({ qos }) => qos > 0)
        .map(({ topic }) => last(topic))
      // [MQTT-4.6.0-6]
      expect(order).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
      await client.drop()
    },
  )

  test('MQTT 3.1.1 clients get a window of the node’s own', async () => {
    const client = await open('old', 'clean', 4)
    await client.subscribe(commands('old', '#'))
    await burst('old', 15)
    await client.roundTrip()
    expect(client.published()).toHaveLength(10)
    for (const packet of client.published()) client.send({ cmd: 'puback', messageId: idOf(packet) })
    await client.publishes(15)
    await client.drop()
  })

  test('4.9 a QoS 2 message counts until PUBCOMP', async () => {
    const client = await open('second', 'clean', 5, { receiveMaximum: 1 })
    await client.subscribe(commands('second', '#'), { qos: 2 })
    await burst('second', 2, 2)
    const [first] = await client.publishes(1)
    client.send({ cmd: 'pubrec', messageId: idOf(first) })
    await client.next('pubrel')
    await client.roundTrip()
    expect(client.published()).toHaveLength(1)
    client.send({ cmd: 'pubcomp', messageId: idOf(first) })
    await client.publishes(2)
    await client.drop()
  })
})

describe('4.3 quality of service towards the client', () => {
  test('[MQTT-4.3.3-4] after PUBREC a PUBREL, also on the next connection, and never the message again', async () => {
    const device = await suite.device('exact')
    const client = await suite.open(device, 5, kept())
    await client.subscribe(commands('exact', '#'), { qos: 2 })
    await backend.publish(commands('exact', 'x'), 'once', { qos: 2 })
    const [packet] = await client.publishes(1)
    client.send({ cmd: 'pubrec', messageId: idOf(packet) })
    expect(await client.next('pubrel')).toMatchObject({ messageId: idOf(packet) })
    await client.drop()
    const back = await suite.open(device, 5, kept())
    expect(await back.next('pubrel')).toMatchObject({ messageId: idOf(packet) })
    back.send({ cmd: 'pubcomp', messageId: idOf(packet) })
    await back.roundTrip()
    await back.drop()
    const third = await suite.open(device, 5, kept())
    await third.roundTrip()
    expect([...third.find('pubrel'), ...third.find('publish'), ...back.find('publish')]).toEqual([])
    await third.drop()
  })

  test('4.3.3 a PUBREC that refuses ends it: no PUBREL', async () => {
    const client = await open('refusing', 'kept')
    await client.subscribe(commands('refusing', '#'), { qos: 2 })
    await burst('refusing', 1, 2)
    const [packet] = await client.publishes(1)
    client.send({ cmd: 'pubrec', messageId: idOf(packet), reasonCode: 0x97 })
    await client.roundTrip()
    expect(client.find('pubrel')).toEqual([])
    await client.drop()
    const back = await open('refusing', 'kept')
    await back.roundTrip()
    expect(back.published()).toEqual([])
    await back.drop()
  })

  test('3.6.2.1 PUBREC for an unknown packet id is answered with 0x92; PUBACK and PUBCOMP with nothing', async () => {
    const client = await open('unknown', 'clean')
    client.send({ cmd: 'puback', messageId: 9 })
    client.send({ cmd: 'pubcomp', messageId: 9 })
    client.send({ cmd: 'pubrec', messageId: 9 })
    expect(await client.next('pubrel')).toMatchObject({ messageId: 9, reasonCode: 0x92 })
    await client.roundTrip()
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'pubrel', 'pingresp'])
    await client.drop()
  })

  const wrong: [string, 1 | 2, Packet['cmd']][] = [
    ['PUBACK for a QoS 2 message', 2, 'puback'],
    ['PUBREC for a QoS 1 message', 1, 'pubrec'],
    ['PUBCOMP before PUBREC', 2, 'pubcomp'],
  ]
  test.each(wrong)('%s is a protocol error: 0x82', async (what, qos, cmd) => {
    const id = `wrong-${wrong.findIndex(([name]) => name === what)}`
    const client = await open(id, 'clean')
    await client.subscribe(commands(id, '#'), { qos: 2 })
    await burst(id, 1, qos)
    const [packet] = await client.publishes(1)
    client.send({ cmd, messageId: idOf(packet) } as Packet)
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    await client.closed
  })

  test('a client with a smaller window than before gets what was under way first, with the same ids', async () => {
    const device = await suite.device('shrunk')
    const client = await suite.open(device, 5, kept())
    await client.subscribe(commands('shrunk', '#'))
    await burst('shrunk', 6)
    const sent = await client.publishes(6)
    await client.drop()
    const back = await suite.open(device, 5, {
      clean: false,
      properties: { sessionExpiryInterval: 60, receiveMaximum: 2 },
    })
    await backend.publish(commands('shrunk', '7'), 'x')
    for (let count = 1; count <= 7; count++) {
      await back.next('publish', count)
      back.send({ cmd: 'puback', messageId: idOf(back.published()[count - 1]) })
    }
    const again = back.published()
    expect(again.map(({ topic }) => last(topic))).toEqual(['1', '2', '3', '4', '5', '6', '7'])
    expect(again.slice(0, 6).map(idOf)).toEqual(sent.map(idOf))
    expect(again.map(({ dup }) => dup)).toEqual([...Array(6).fill(true), false])
    await back.drop()
  })
})
