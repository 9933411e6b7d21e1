import type { IncomingMessage } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Aedes, Client } from 'aedes'
import { generate, type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet'
import type { Session, Transport } from '../sessions/session.ts'

/** What is used of aedes' client beyond its types; the version is pinned for it. */
interface Internals {
  _assignedClientId: string | undefined
  _sessionExpiryClamped: boolean
  _parser: {
    parse(bytes: Buffer): number
    listeners(event: 'packet'): ((packet: Packet) => void)[]
    removeAllListeners(event: 'packet'): void
    on(event: 'packet', listener: (packet: Packet) => void): void
  }
}

const internalsOf = (client: Client) => client as unknown as Internals

/** aedes keeps the second argument of `handle` with its client: that is the session. */
export function openClient(broker: Aedes, session: Session): Client {
  const client = broker.handle(session.socket, session as unknown as IncomingMessage)
  containParser(client)
  return client
}

export function sessionOf(client: Client): Session | undefined {
  return client.req as unknown as Session | undefined
}

/** Tells an MQTT 5 client which id it was given. [MQTT-3.2.2-16] */
export function assignClientId(client: Client, clientId: string): void {
  internalsOf(client)._assignedClientId = clientId
}

/** Whatever the CONNECT asked for: the session ends with its connection, and speaks for nobody afterwards. */
export function keepNothing(packet: IConnectPacket): void {
  packet.clean = true
  packet.will = undefined as never
  if (packet.properties) packet.properties.sessionExpiryInterval = 0
}

/** Tells an MQTT 5 client that its session is not kept. [MQTT-3.2.2-21] */
export function tellNothingKept(client: Client): void {
  internalsOf(client)._sessionExpiryClamped = true
}

/** Acknowledges a publication, which then goes no further: no subscriber ever gets it. */
export function swallow(client: Client, packet: IPublishPacket): void {
  // aedes drops what is marked so, and leaves it to us to answer for it.
  const marked = packet as IPublishPacket & { _notAuthorized?: boolean }
  marked._notAuthorized = true
  const { messageId } = packet
  const session = sessionOf(client)
  if (packet.qos !== 1 || messageId === undefined || !session || session.socket.destroyed) return
  session.socket.write(generate({ cmd: 'puback', messageId }, { protocolVersion: client.version === 5 ? 5 : 4 }))
}

/** Lets `inspect` see each packet before aedes does; aedes sees those for which it answers true. */
export function inspectPackets(client: Client, inspect: (packet: Packet) => boolean): void {
  const parser = internalsOf(client)._parser
  const listeners = parser.listeners('packet')
  parser.removeAllListeners('packet')
  parser.on('packet', (packet) => {
    if (inspect(packet)) for (const listener of listeners) listener.call(parser, packet)
  })
}

/** The parser throws on some malformed packets, in the middle of reading the socket. */
function containParser(client: Client): void {
  const parser = internalsOf(client)._parser
  const parse = parser.parse
  parser.parse = (bytes) => {
    try {
      return parse.call(parser, bytes)
    } catch (error) {
      client.emit('error', error)
      return 0
    }
  }
}

export function clientTransport(client: Client, session: Session): Transport {
  const { socket } = session
  return {
    end(reasonCode, reason) {
      if (client.version !== 5 || !client.connected || client.closed) {
        socket.destroy()
        return
      }
      client.disconnect({ reasonCode, properties: { reasonString: reason } })
      // A peer that does not read must not keep its connection: after this turn the DISCONNECT is in the kernel's hands.
      setImmediate(() => setImmediate(() => socket.destroy()))
    },
    // aedes takes down a client in several turns after its socket has closed, and says nothing when it is done.
    async settled() {
      for (let turns = 0; turns < 200 && (client.connected || client.connecting); turns++) await nextTurn()
    },
    send(topic, payload) {
      if (session.removed || socket.destroyed || !client.connected) return
      client.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, () => {})
    },
  }
}
