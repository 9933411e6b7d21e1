import type { SecureContext, TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import {
  disconnect,
  encodeConnect,
  encodePuback,
  encodeSubscribe,
  type PublishTemplate,
  pingreq,
  type Qos,
  type Version,
} from './encode.ts'
import { packetTypes, readPackets, readPublishId } from './read-packets.ts'

export interface ConnectionOptions {
  host: string
  port: number
  servername: string
  secureContext: SecureContext
  clientId: string
  version: Version
  clean: boolean
  keepAliveSeconds: number
  sessionExpirySeconds?: number
  /** 127.0.0.x: each has ports of its own, so that a machine can have more than 28,000 connections to one listener. */
  localAddress?: string
  /** A TLS session to resume. */
  session?: Buffer
  /** Sent right behind the CONNECT, as somebody does who does not wait to be admitted. */
  pipelined?: Buffer
  timeoutMs: number
}

export interface ConnectionEvents {
  /** Flags and the body's place, as in a packet: most callers only count. */
  message?(connection: Connection, flags: number, bytes: Buffer, start: number, end: number): void
  /** Milliseconds since that message was sent. */
  acknowledged?(connection: Connection, reasonCode: number, ms: number): void
  /** Not called for what `close()` ends, nor before CONNACK. */
  closed?(connection: Connection, reasonCode: number | undefined): void
  session?(connection: Connection, session: Buffer): void
}

/** What CONNACK said, or else why there was none. */
export class ConnectFailure extends Error {
  readonly reasonCode: number | undefined

  constructor(message: string, reasonCode?: number) {
    super(message)
    this.reasonCode = reasonCode
  }
}

/** One MQTT connection that does no more than load needs: no retries, no queue, QoS 0 and 1. */
export class Connection {
  readonly socket: TLSSocket
  readonly clientId: string
  readonly version: Version
  readonly #events: ConnectionEvents
  readonly #sentAt = new Map<number, number>()
  readonly #subscribing = new Map<number, (granted: number) => void>()
  #outgoing: Buffer[] = []
  #nextId = 0
  #closing = false
  #endReason: number | undefined
  #ping: NodeJS.Timeout | undefined
  /** Messages with QoS 1 that are not acknowledged. */
  get inFlight(): number {
    return this.#sentAt.size
  }

  private constructor(socket: TLSSocket, options: ConnectionOptions, events: ConnectionEvents) {
    this.socket = socket
    this.clientId = options.clientId
    this.version = options.version
    this.#events = events
  }

  /** Resolves after a CONNACK that admits. @throws ConnectFailure */
  static open(options: ConnectionOptions, events: ConnectionEvents = {}): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const { clientId, pipelined, timeoutMs, keepAliveSeconds } = options
      const socket = connectTls(tlsOptions(options))
      const connection = new Connection(socket, options, events)
      socket.setNoDelay(true)
      let admitted = false
      const fail = (message: string, reasonCode?: number) => {
        clearTimeout(timer)
        reject(new ConnectFailure(message, reasonCode))
        socket.destroy()
      }
      const timer = setTimeout(() => fail('timeout'), timeoutMs)
      const read = readPackets((type, flags, bytes, start, end) => {
        if (admitted) return connection.#receive(type, flags, bytes, start, end)
        const reasonCode = bytes[start + 1] ?? 0xff
        if (type !== packetTypes.connack) return fail(`packet ${type} instead of CONNACK`)
        if (reasonCode !== 0) return fail(`refused:${reasonCode}`, reasonCode)
        admitted = true
        clearTimeout(timer)
        if (keepAliveSeconds > 0) connection.#keepAlive(keepAliveSeconds)
        resolve(connection)
      })
      socket.on('data', (chunk) => {
        try {
          read(chunk)
        } catch (error) {
          socket.destroy(error as Error)
        }
        connection.#flush()
      })
      socket.on('secureConnect', () => {
        const packet = encodeConnect(options)
        socket.write(pipelined ? Buffer.concat([packet, pipelined]) : packet)
      })
      socket.on('session', (session) => events.session?.(connection, session))
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (!admitted) fail(error.code ?? error.message)
      })
      socket.on('close', () => {
        clearInterval(connection.#ping)
        if (!admitted) return fail(`closed before CONNACK: ${clientId}`)
        for (const settle of connection.#subscribing.values()) settle(0xff)
        if (!connection.#closing) events.closed?.(connection, connection.#endReason)
      })
    })
  }

  /** Sends `count` messages; with QoS 1 each has a packet id that is free. */
  publish(template: PublishTemplate, count: number): void {
    const ids = template.qos > 0 ? this.#takeIds(count) : new Array<number>(count).fill(0)
    this.socket.write(template.encode(ids))
  }

  /** Answers what was granted: a QoS, or 128 and more. */
  subscribe(filter: string, qos: Qos): Promise<number> {
    this.#nextId = (this.#nextId % 65_535) + 1
    const messageId = this.#nextId
    return new Promise((resolve) => {
      this.#subscribing.set(messageId, resolve)
      this.socket.write(encodeSubscribe(messageId, filter, qos, this.version))
    })
  }

  close(): void {
    this.#closing = true
    this.socket.end(disconnect)
    this.socket.destroySoon()
  }

  #receive(type: number, flags: number, bytes: Buffer, start: number, end: number): void {
    if (type === packetTypes.puback) {
      const messageId = bytes.readUInt16BE(start)
      const sentAt = this.#sentAt.get(messageId)
      if (sentAt === undefined) return
      this.#sentAt.delete(messageId)
      const reasonCode = end - start > 2 ? (bytes[start + 2] ?? 0) : 0
      this.#events.acknowledged?.(this, reasonCode, performance.now() - sentAt)
    } else if (type === packetTypes.publish) {
      if ((flags & 0x06) === 0x02) this.#outgoing.push(encodePuback(readPublishId(bytes, start)))
      this.#events.message?.(this, flags, bytes, start, end)
    } else if (type === packetTypes.suback) {
      const messageId = bytes.readUInt16BE(start)
      this.#subscribing.get(messageId)?.(bytes[end - 1] ?? 0xff)
      this.#subscribing.delete(messageId)
    } else if (type === packetTypes.disconnect) this.#endReason = end > start ? bytes[start] : 0
  }

  /** All acknowledgements of what one read brought are one write. */
  #flush(): void {
    if (this.#outgoing.length === 0) return
    const joined = this.#outgoing.length === 1 ? this.#outgoing[0] : Buffer.concat(this.#outgoing)
    this.#outgoing = []
    if (joined && !this.socket.destroyed) this.socket.write(joined)
  }

  #takeIds(count: number): number[] {
    const at = performance.now()
    const ids: number[] = []
    while (ids.length < count) {
      this.#nextId = (this.#nextId % 65_535) + 1
      if (this.#sentAt.has(this.#nextId) || this.#subscribing.has(this.#nextId)) continue
      this.#sentAt.set(this.#nextId, at)
      ids.push(this.#nextId)
    }
    return ids
  }

  #keepAlive(seconds: number): void {
    this.#ping = setInterval(() => this.socket.write(pingreq), seconds * 700)
    this.#ping.unref()
  }
}

function tlsOptions({ host, port, servername, secureContext, localAddress, session }: ConnectionOptions) {
  return {
    ...{ host, port, servername, secureContext },
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(session === undefined ? {} : { session }),
  }
}
