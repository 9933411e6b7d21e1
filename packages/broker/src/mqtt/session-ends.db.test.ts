import type { IConnackPacket } from 'mqtt-packet'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { sessionExpirySeconds: 4 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

const sessions = async () => {
  const answer = await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)
  return Number(/muster_broker_kept\{what="sessions"\} (\d+)/.exec(await answer.text())?.[1])
}

/** Connects, subscribes to nothing, and answers whether there was a session to go on with. */
async function visit(device: TestDevice, version: 4 | 5, options = {}) {
  const socket = await muster.openTls(device)
  const client = rawClient(socket, version)
  client.connect(device.id, { clean: false, protocolVersion: version, ...options })
  const { sessionPresent } = (await client.next('connack')) as IConnackPacket
  return { sessionPresent, socket, ...client }
}

test.each([
  [4, {}],
  [5, { properties: { sessionExpiryInterval: 0xffff_ffff } }],
] as const)(
  'a session is kept for as long as the node keeps any, without a subscription too (MQTT %s)',
  async (version, options) => {
    const device = await muster.addDevice(`keeper-${version}`)
    const first = await visit(device, version, options)
    expect(first.sessionPresent).toBe(false)
    first.socket.destroy()
    const second = await visit(device, version, options)
    expect(second.sessionPresent).toBe(true)
    // Connected it lives on.
    await new Promise<void>((resolve) => {
      const witness = setInterval(async () => {
        second.send({ cmd: 'pingreq' })
        if (second.find('pingresp').length < 7) return
        clearInterval(witness)
        resolve()
      }, 800)
    })
    expect(await sessions()).toBe(1)
    second.socket.destroy()
    await vi.waitFor(async () => expect(await sessions()).toBe(0), 15_000)
    const third = await visit(device, version, options)
    expect(third.sessionPresent).toBe(false)
    third.send({ cmd: 'disconnect', ...(version === 5 && { reasonCode: 0, properties: { sessionExpiryInterval: 0 } }) })
    await third.closed
  },
)

test('with expiry 0 in the DISCONNECT it ends at once', async () => {
  const device = await muster.addDevice('leaver')
  const client = await visit(device, 5, { properties: { sessionExpiryInterval: 3_600 } })
  client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
  await client.closed
  const again = await visit(device, 5, { properties: { sessionExpiryInterval: 1 } })
  expect(again.sessionPresent).toBe(false)
  again.socket.destroy()
})
