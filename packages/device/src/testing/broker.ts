import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { poolKey, type TestCa } from '@muster/pki/testing'
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet'
import { isAboutDates } from '../trust/server-distrust.ts'

export interface TestConnection {
  socket: TLSSocket
  connect: IConnectPacket
  /** Of the certificate that was presented. */
  serial: string
  /** What it was answered. */
  code: number
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
  /** Says with which code a certificate is let in: none is a good one. */
  judge: (certificate: X509Certificate) => number
  /** What answers renewals over MQTT: the payload of a request, that of the answer. */
  relay: ((device: string, proof: string) => Promise<string>) | undefined
  /** Messages that the next admitted session brings, in one segment with its CONNACK. */
  waiting: { topic: string; payload: string }[]
  /** Each entry takes the place of one admission: a CONNACK's code, or the socket destroyed. */
  script: (number | 'drop')[]
}

export async function startTestBroker(
  ca: TestCa,
  hosts: string[] = ['localhost', '127.0.0.1'],
  { knowsIssuers = true } = {},
): Promise<TestBroker> {
  const broker: Omit<TestBroker, 'url' | typeof Symbol.asyncDispose> = {
    connections: [],
    published: [],
    waiting: [],
    script: [],
    goodbyes: 0,
    judge: () => 0,
    relay: undefined,
  }
  const key = await poolKey('p256', 901)
  const identity = { fleet: 'muster', group: 'brokers', device: 'broker-1', profile: 'server' } as const
  const certificate = await ca.issue(identity, key, { hosts })
  const issuers = ca.issuer.chain.map((issuer) => issuer.toString())
  const server = createServer(
    {
      key: key.export({ type: 'pkcs8', format: 'pem' }),
      cert: [certificate.pem, ...issuers].join(''),
      ca: [ca.root.toString(), ...(knowsIssuers ? issuers : [])],
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => {
      // Dates are for the judge.
      const refusal = String(socket.authorizationError ?? '')
      if (socket.authorized || isAboutDates(refusal)) serve(socket, broker)
      else socket.destroy()
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(broker, {
    url: `mqtts://localhost:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const { socket } of broker.connections) socket.destroy()
      if (!server.listening) return
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
    const certificate = socket.getPeerX509Certificate()
    if (!certificate) return
    const next = broker.script.shift() ?? broker.judge(certificate)
    if (next === 'drop') {
      socket.destroy()
      return
    }
    if (next === 0) takeOver(connect.clientId)
    const serial = certificate.serialNumber.toLowerCase()
    broker.connections.push({ socket, connect, serial, code: next, resumed: socket.isSessionReused(), send })
    socket.cork()
    send({ cmd: 'connack', sessionPresent: false, returnCode: next, reasonCode: next })
    if (next === 0)
      for (const message of broker.waiting.splice(0))
        send({ cmd: 'publish', ...message, qos: 0, retain: false, dup: false })
    socket.uncork()
    if (next !== 0) socket.end()
  }
  const takeOver = (clientId: string) => {
    for (const other of broker.connections)
      if (other.connect.clientId === clientId && !other.socket.destroyed) other.socket.destroy()
  }
  const relay = async ({ topic, payload }: IPublishPacket) => {
    const [, , , device = '', ...rest] = topic.split('/')
    if (rest.join('/') !== 'renewal/request' || !broker.relay) return
    const answer = await broker.relay(device, payload.toString())
    const response = topic.replace(/request$/, 'response')
    send({ cmd: 'publish', topic: response, payload: answer, qos: 0, retain: false, dup: false })
  }
  const packets = parser()
  packets.on('packet', (packet: Packet) => {
    const messageId = packet.messageId ?? 0
    if (packet.cmd === 'connect') admit(packet)
    if (packet.cmd === 'subscribe')
      send({ cmd: 'suback', messageId, granted: packet.subscriptions.map(({ qos }) => qos) })
    if (packet.cmd === 'unsubscribe') send({ cmd: 'unsuback', messageId, granted: packet.unsubscriptions.map(() => 0) })
    if (packet.cmd === 'pingreq') send({ cmd: 'pingresp' })
    if (packet.cmd === 'disconnect') broker.goodbyes += 1
    if (packet.cmd !== 'publish') return
    broker.published.push(packet)
    if (packet.qos === 1) send({ cmd: 'puback', messageId, reasonCode: 0 })
    void relay(packet)
  })
  socket.on('data', (chunk) => packets.parse(chunk))
  socket.on('error', () => socket.destroy())
}
