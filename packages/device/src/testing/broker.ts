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
  const broker: Omit<TestBroker, 'url' | typeof Symbol.asyncDispose> = {
    connections: [],
    published: [],
    script: [],
    goodbyes: 0,
  }
  const key = await poolKey('p256', 901)
  const identity = { fleet: 'muster', group: 'brokers', device: 'broker-1', profile: 'server' } as const
  const certificate = await ca.issue(identity, key, { hosts })
  const issuers = ca.issuer.chain.map((issuer) => issuer.toString())
  const server = createServer(
    {
      key: key.export({ type: 'pkcs8', format: 'pem' }),
      cert: [certificate.pem, ...issuers].join(''),
      ca: [ca.root.toString(), ...issuers],
      requestCert: true,
      rejectUnauthorized: true,
    },
    (socket) => serve(socket, broker),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(broker, {
    url: `mqtts://localhost:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const { socket } of broker.connections) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
}

function serve(socket: TLSSocket, broker: Omit<TestBroker, 'url' | typeof Symbol.asyncDispose>): void {
  let protocolVersion = 4
  const send = (packet: Packet) => socket.write(generate(packet, { protocolVersion }))
  const admit = (connect: IConnectPacket) => {
    protocolVersion = connect.protocolVersion ?? 4
    const next = broker.script.shift() ?? 0
    if (next === 'drop') {
      socket.destroy()
      return
    }
    broker.connections.push({ socket, connect, resumed: socket.isSessionReused(), send })
    send({ cmd: 'connack', sessionPresent: false, returnCode: next, reasonCode: next })
  }
  const packets = parser()
  packets.on('packet', (packet: Packet) => {
    const messageId = packet.messageId ?? 0
    if (packet.cmd === 'connect') admit(packet)
    if (packet.cmd === 'subscribe')
      send({ cmd: 'suback', messageId, granted: packet.subscriptions.map(({ qos }) => qos) })
    if (packet.cmd === 'pingreq') send({ cmd: 'pingresp' })
    if (packet.cmd === 'disconnect') broker.goodbyes += 1
    if (packet.cmd !== 'publish') return
    broker.published.push(packet)
    if (packet.qos === 1) send({ cmd: 'puback', messageId, reasonCode: 0 })
  })
  socket.on('data', (chunk) => packets.parse(chunk))
  socket.on('error', () => socket.destroy())
}
