import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Aedes, Client } from 'aedes'
import { generate, type IConnectPacket, type Packet } from 'mqtt-packet'
import type { Limits } from '../limits.ts'
import type { QueueBounds, Session, Transport } from '../sessions/session.ts'
import type { ClientPacket } from './guard/packets.ts'

/** What is used of aedes' client beyond its types; the version is pinned for it. */
interface Internals {
  _assignedClientId: string | undefined
  connackSent: boolean
  _sessionExpiryClamped: boolean
  _serverKeepAlive: number | undefined
  topicAliasMaximum?: number
  _keepaliveTimer: NodeJS.Timeout | null
  broker: {
    persistence: {
      removeSubscriptions(client: Client, filters: string[]): Promise<unknown>
      boundQueue(client: Client, bounds: QueueBounds): void
    }
  }
  _parser: {
    listeners(event: 'packet'): ((packet: Packet) => void)[]
  }
  conn: NodeJS.EventEmitter
  _eos: () => void
  _parsingBatch: number
  _topicAliases: Map<number, string>
  _nextBatch: (error?: unknown) => void
}

const internalsOf = (client: Client) => client as unknown as Internals

/** aedes keeps the second argument of `handle` with its client: that is the session. */
export function openClient(broker: Aedes, session: Session): Client {
  const client = broker.handle(session.socket, session as unknown as IncomingMessage)
  // `finished` of node:stream takes a dozen functions for each connection, and an error for the end of each.
  const internals = internalsOf(client)
  internals._eos()
  internals._eos = nothingLeft
  session.socket.on('close', closeClient)
  return client
}

const nothingLeft = () => {}
/** aedes never sees a PUBLISH. */
const noAliases = new Map<number, string>()

/** One function for all sockets: aedes keeps its client with the socket. */
function closeClient(this: Duplex & { client?: Client }): void {
  this.client?.close()
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

/** How aedes is given a client's packets. */
export interface Intake {
  /** `onDone` is called when aedes has done with it, or goes on without. */
  handle(packet: ClientPacket): void
}

/** Takes aedes' parser away from it, and the reading of the socket: packets are handed to it, one at a time. */
export function takeOverReading(client: Client, onDone: () => void): Intake {
  const internals = internalsOf(client)
  const [enqueue] = internals._parser.listeners('packet')
  // What aedes still touches of it.
  const intake = { client, _queue: [], removeAllListeners() {}, emit() {} }
  internals._parser = intake as never
  internals._topicAliases = noAliases
  internals.conn.removeListener('readable', internals._nextBatch)
  internals._nextBatch = (error) => {
    if (error) client.emit('error', error)
    onDone()
  }
  return {
    handle(packet) {
      // aedes counts what it has under way from here.
      internals._parsingBatch = 0
      enqueue?.call(intake, packet as Packet)
    },
  }
}

/** What holds for silent clients is started anew by what they send, whoever answers it. [MQTT-3.1.2-22] */
export function keepAwake(client: Client): void {
  internalsOf(client)._keepaliveTimer?.refresh()
}

/** aedes keeps all that delivery needs of a CONNECT but this. */
export function noteAliases(client: Client, { protocolVersion, properties }: IConnectPacket): void {
  if (protocolVersion === 5) internalsOf(client).topicAliasMaximum = properties?.topicAliasMaximum ?? 0
}

/** The longest silence: MQTT 5 clients are told of it, others keep what they asked for. [MQTT-3.2.2-21] */
export function boundKeepAlive(client: Client, packet: IConnectPacket, limits: Limits): void {
  const { keepalive = 0, protocolVersion } = packet
  const { keepAliveSeconds, silenceSeconds } = limits
  if (protocolVersion !== 5) packet.keepalive = keepalive || Math.floor(silenceSeconds / 1.5)
  else if (keepalive === 0 || keepalive > keepAliveSeconds) internalsOf(client)._serverKeepAlive = keepAliveSeconds
}

/**
 * A PUBREL of a packet id that is never used: whoever is there must answer it with PUBCOMP, and nothing else happens.
 * MQTT 3.1.1 [MQTT-4.3.3-2], MQTT 5 [MQTT-4.3.3-11]
 */
export const questionId = 65_535
const question = Buffer.from([0x62, 2, questionId >> 8, questionId & 0xff])

/** Of a connection that aedes serves. */
export class ClientTransport implements Transport {
  readonly #client: Client
  readonly #session: Session

  constructor(client: Client, session: Session) {
    this.#client = client
    this.#session = session
  }

  end(reasonCode: number, reason: string): void {
    const [client, session] = [this.#client, this.#session]
    const { socket } = session
    session.endedWith ??= reasonCode
    if (client.version !== 5 || !internalsOf(client).connackSent || client.closed) {
      socket.destroy()
      return
    }
    const properties = { reasonString: reason }
    // Between the CONNACK and what aedes calls connected lies the store: what a quick client does wrong meanwhile has a
    // reason too. [MQTT-4.13.1-1]
    if (client.connected) client.disconnect({ reasonCode, properties })
    else socket.write(generate({ cmd: 'disconnect', reasonCode, properties }, { protocolVersion: 5 }))
    // A peer that does not read must not keep its connection: after this turn the DISCONNECT is in the kernel's hands.
    setImmediate(() => setImmediate(() => socket.destroy()))
  }

  // aedes takes down a client in several turns after its socket has closed, and says nothing when it is done.
  async settled(): Promise<void> {
    const client = this.#client
    for (let turns = 0; turns < 200 && (client.connected || client.connecting); turns++) await nextTurn()
  }

  async unsubscribe(filters: string[]): Promise<void> {
    const client = this.#client
    await internalsOf(client).broker.persistence.removeSubscriptions(client, filters)
    // Without a packet id nothing is sent. [MQTT-3.11.2-1] is for who has asked.
    await new Promise<void>((resolve) => client.unsubscribe({ unsubscriptions: filters } as never, () => resolve()))
  }

  boundQueue(bounds: QueueBounds): void {
    internalsOf(this.#client).broker.persistence.boundQueue(this.#client, bounds)
  }

  ask(): void {
    const { socket } = this.#session
    if (!socket.destroyed && this.#client.connected) socket.write(question)
  }

  send(topic: string, payload: string): void {
    const [client, session] = [this.#client, this.#session]
    if (session.removed || session.socket.destroyed || !client.connected) return
    client.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, () => {})
  }
}
