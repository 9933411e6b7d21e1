import {
  rawClient,
  startTestBroker,
  type TestBroker,
  type TestBrokerOptions,
  type TestDevice,
} from '@muster/broker/testing'
import type { IConnectPacket, IPublishPacket, ISubscription, Packet } from 'mqtt-packet'
import { expect, vi } from 'vitest'

export type RawClient = Awaited<ReturnType<Conformance['open']>>
export type Conformance = Awaited<ReturnType<typeof startConformance>>

/** A broker, and clients that say exactly what they are told to. */
export async function startConformance(options: TestBrokerOptions = {}) {
  const muster: TestBroker = await startTestBroker(options)

  async function open(device: TestDevice, version: 4 | 5, connect: Partial<IConnectPacket> = {}) {
    const socket = await muster.openTls(device)
    const client = rawClient(socket, version)
    client.connect(device.id, { protocolVersion: version, ...connect })
    const connack = await client.next('connack')
    let lastId = 0
    return {
      ...client,
      device,
      socket,
      connack: connack as Extract<Packet, { cmd: 'connack' }>,
      published: () => client.find('publish') as IPublishPacket[],
      /** Waits for so many PUBLISH packets and answers them all. */
      async publishes(count: number) {
        await client.next('publish', count)
        return client.find('publish') as IPublishPacket[]
      },
      /** What was sent to this client before is there when this resolves. */
      async roundTrip() {
        const before = client.find('pingresp').length
        client.send({ cmd: 'pingreq' })
        await client.next('pingresp', before + 1)
      },
      async subscribe(topic: string | string[], changed: Partial<ISubscription> = {}, properties = {}) {
        const messageId = ++lastId
        const subscriptions = [topic].flat().map((one) => ({ topic: one, qos: 1, ...changed }) as ISubscription)
        const before = client.find('suback').length
        client.send({ cmd: 'subscribe', messageId, subscriptions, properties })
        const suback = await client.next('suback', before + 1)
        return suback as Extract<Packet, { cmd: 'suback' }>
      },
      /** Resolves when it is acknowledged, as its QoS has it. */
      async publish(topic: string, payload: string | Buffer, changed: Partial<IPublishPacket> = {}) {
        const { qos = 1 } = changed
        const messageId = ++lastId
        const packet = { cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...changed } as IPublishPacket
        if (qos === 0) return void client.send(packet)
        client.send({ ...packet, messageId })
        const answered = (cmd: 'puback' | 'pubrec') =>
          vi.waitFor(() => expect(client.find(cmd).some((ack) => ack.messageId === messageId)).toBe(true), 10_000)
        await answered(qos === 1 ? 'puback' : 'pubrec')
        if (qos === 2) client.send({ cmd: 'pubrel', messageId })
      },
      leave() {
        client.send({ cmd: 'disconnect' })
        return client.closed
      },
      async drop() {
        socket.destroy()
        await client.closed
      },
    }
  }

  return {
    muster,
    open,
    service: (id: string) => muster.addDevice(id, { profile: 'service' }),
    device: (id: string) => muster.addDevice(id),
    [Symbol.asyncDispose]: () => muster[Symbol.asyncDispose](),
  }
}

/** Below what every service may publish to and subscribe to. */
export const commands = (id: string, rest: string) => `fleets/default/devices/${id}/commands/${rest}`
export const kept = (seconds = 3_600) => ({ clean: false, properties: { sessionExpiryInterval: seconds } })
export const last = (topic: string) => topic.split('/').at(-1)
