import type { IncomingMessage } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Aedes, Client } from 'aedes'
import { generate, type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet'
import type { Limits } from '../limits.ts'
import type { Session, Transport } from '../sessions/session.ts'

import type { ClientPacket } from './guard/packets.ts'
import type { Opening } from './read-connect.ts'

/** What is used of aedes' client beyond its types; the version is pinned for it. */
interface Internals {
  _assignedClientId: string | undefined
  _sessionExpiryClamped: boolean
  _serverKeepAlive: number | undefined
  _keepaliveTimer: NodeJS.Timeout | null
  broker: { persistence: { removeSubscriptions(client: Client, filters: string[]): Promise<unknown> } }
  _parser: {
    parse(bytes: Buffer): number
    emit(event: 'packet', packet: Packet): void
  }
  _parsingBatch: number
}

const internalsOf = (client: Client) => client as unknown as Internals

/** aedes keeps the second argument of `handle` with its client: that is the session. */
export function openClient(broker: Aedes, session: Session): Client {
  return broker.handle(session.socket, session as unknown as IncomingMessage)
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

/** The guard's decoder in the place of aedes' parser: aedes sees what `inspect` lets pass, and nothing after a violation. */
export function guardPackets(
  client: Client,
  { packet: connect, decoder }: Opening,
  hooks: { inspect(packet: ClientPacket): boolean; onViolation(error: unknown): void },
): void {
  const internals = internalsOf(client)
  const { _parser: parser } = internals
  const take = (packet: ClientPacket) => {
    if (hooks.inspect(packet)) parser.emit('packet', packet as Packet)
  }
  let broken = false
  parser.parse = (bytes) => {
    if (broken) return 0
    try {
      decoder.push(bytes)
      for (let packet = decoder.next(); packet; packet = decoder.next()) take(packet)
    } catch (error) {
      broken = true
      hooks.onViolation(error)
    }
    return 0
  }
  // aedes counts what it has under way from here.
  internals._parsingBatch = 0
  take(connect)
  parser.parse(Buffer.alloc(0))
}

/** What holds for silent clients is started anew by each packet, whoever answers it. [MQTT-3.1.2-22] */
export function keepAwake(client: Client): void {
  internalsOf(client)._keepaliveTimer?.refresh()
}

/** The longest silence: MQTT 5 clients are told of it, others keep what they asked for. [MQTT-3.2.2-21] */
export function boundKeepAlive(client: Client, packet: IConnectPacket, limits: Limits): void {
  const { keepalive = 0, protocolVersion } = packet
  const { keepAliveSeconds, silenceSeconds } = limits
  if (protocolVersion !== 5) packet.keepalive = keepalive || Math.floor(silenceSeconds / 1.5)
  else if (keepalive === 0 || keepalive > keepAliveSeconds) internalsOf(client)._serverKeepAlive = keepAliveSeconds
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
    async unsubscribe(filters) {
      await internalsOf(client).broker.persistence.removeSubscriptions(client, filters)
      // Without a packet id nothing is sent. [MQTT-3.11.2-1] is for who has asked.
      await new Promise<void>((resolve) => client.unsubscribe({ unsubscriptions: filters } as never, () => resolve()))
    },
    send(topic, payload) {
      if (session.removed || socket.destroyed || !client.connected) return
      client.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, () => {})
    },
  }
}
