import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { poolKey, type TestCa } from '@muster/pki/testing'
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet'

export interface TestConnection {
  socket: TLSSocket
  connect: IConnectPacket
  resumed: boolean
  send(packet: Packet): void
}

/** A small real MQTT server behind mutual TLS that admits everybody, acknowledges everything and can be told to misbehave. */
export interface TestBroker extends AsyncDisposable {
  url: string
  connections: TestConnection[]
  published: IPublishPacket[]
  /** How many clients have sent DISCONNECT. */
  goodbyes: number
  /** Each entry takes the place of one admission: a CONNACK's code, or the socket destroyed. */
  script: (number | 'drop')[]
}

export async function startTestBroker(ca: TestCa, hosts: string[] = ['localhost', '127.0.0.1']): Promise<TestBroker> {
  const key = await poolKey('p256', 901)
  const identity = { fleet: 'muster', group: 'brokers', device: 'broker-1', profile: 'server' } as const
  const certificate = await ca.issue(identity, key, { hosts })
  const connections: TestConnection[] = []
  const published: IPublishPacket[] = []
  const script: TestBroker['script'] = []
  const broker = { connections, published, script, goodbyes: 0 }

  const admit = (socket: TLSSocket, connect: IConnectPacket, send: TestConnection['send']) => {
    const next = script.shift() ?? 0
    if (next === 'drop') {
      socket.destroy()
      return
    }
    connections.push({ socket, connect, resumed: socket.isSessionReused(), send })
    send({ cmd: 'connack', sessionPresent: false, returnCode: next, reasonCode: next })
  }
  const server = createServer(
    {
      key: key.export({ type: 'pkcs8', format: 'pem' }),
      cert: [certificate.pem, ...ca.issuer.chain.map((issuer) => issuer.toString())].join(''),
      ca: [ca.root.toString(), ...ca.issuer.chain.map((issuer) => issuer.toString())],
      requestCert: true,
      rejectUnauthorized: true,
    },
    (socket) => {
      let protocolVersion = 4
      const send = (packet: Packet) => socket.write(generate(packet, { protocolVersion }))
      const packets = parser()
      packets.on('packet', (packet: Packet) => {
        if (packet.cmd === 'connect') {
          protocolVersion = packet.protocolVersion ?? 4
          admit(socket, packet, send)
        }
        if (packet.cmd === 'subscribe') {
          const granted = packet.subscriptions.map(({ qos }) => qos)
          send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted })
        }
        if (packet.cmd === 'pingreq') send({ cmd: 'pingresp' })
        if (packet.cmd === 'disconnect') broker.goodbyes += 1
        if (packet.cmd !== 'publish') return
        published.push(packet)
        if (packet.qos === 1) send({ cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode: 0 })
      })
      socket.on('data', (chunk) => packets.parse(chunk))
      socket.on('error', () => socket.destroy())
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(broker, {
    url: `mqtts://localhost:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const { socket } of connections) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
}
