import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawClient, startTestBroker, type TestBroker } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker()
})
afterAll(() => muster[Symbol.asyncDispose]())

// 4.13.1: a client that breaks the protocol is told how, however soon.
test('what is wrong in a packet right behind the CONNECT ends the connection with a reason (MQTT 5)', async () => {
  const device = await muster.addDevice('hasty')
  for (let round = 0; round < 5; round++) {
    const client = rawClient(await muster.openTls(device), 5)
    client.connect(device.id, {})
    const topic = 'fleets/default/devices/hasty/telemetry'
    const message = { topic, payload: 'x', qos: 1, messageId: 1, retain: false, dup: false } as const
    client.send({ cmd: 'publish', ...message, properties: { topicAlias: 60_000 } })
    await client.closed
    expect(client.find('disconnect')).toMatchObject([{ reasonCode: 0x94 }])
  }
})
