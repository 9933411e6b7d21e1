import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker()
})
afterAll(() => muster[Symbol.asyncDispose]())

async function open(device: TestDevice, clean: boolean) {
  const socket = await muster.openTls(device)
  const client = rawClient(socket, 5)
  client.connect(device.id, { clean, properties: { sessionExpiryInterval: 3_600 } })
  return { ...client, socket, connack: await client.next('connack') }
}

// Two things in MQTT 5: whether to begin anew, and whether what begins is kept. [MQTT-3.1.2-4], 3.1.2.11.2
test('a session that begins with a clean start outlives its connection, and the next clean start ends it', async () => {
  const topic = 'fleets/default/devices/fresh/commands/kept'
  const device = await muster.addDevice('fresh')
  const service = await muster.connect(await muster.addDevice('backend', { profile: 'service' }))
  const first = await open(device, true)
  expect(first.connack).toMatchObject({ sessionPresent: false })
  first.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  await first.next('suback')
  first.socket.destroy()
  await service.publishAsync(topic, 'x', { qos: 1 })

  const back = await open(device, false)
  expect(back.connack).toMatchObject({ sessionPresent: true })
  expect(await back.next('publish')).toMatchObject({ topic })
  back.socket.destroy()
  await service.publishAsync(topic, 'never to arrive', { qos: 1 })

  const anew = await open(device, true)
  expect(anew.connack).toMatchObject({ sessionPresent: false })
  anew.send({ cmd: 'pingreq' })
  await vi.waitFor(() => expect(anew.find('pingresp')).toHaveLength(1))
  expect(anew.find('publish')).toEqual([])
  anew.socket.destroy()
  await service.endAsync(true)
})
