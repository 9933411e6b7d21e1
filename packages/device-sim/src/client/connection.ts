import type { TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import { ConnectFailure, type ConnectionEvents, type ConnectionOptions, tlsOptions } from './connect-options.ts'
import {
  disconnect,
  encodeAnswer,
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  type PublishTemplate,
  pingreq,
  type Qos,
  type Version,
} from './encode.ts'
import { forget, type Kept, keepAlive } from './keep-alive.ts'
import { type Answer, readAnswer, readConnack, readDisconnect, readFirstGrant } from './read-answer.ts'
import { packetTypes, readPackets, readPublishId } from './read-packets.ts'

/** The upper half is for what a connection sends by itself, the lower for who numbers messages over several connections. */
const ownIds = { first: 32_768, last: 65_535 }

/** One MQTT connection that costs little: no queue, no retries; those are its owner's. */
export class Connection implements Kept {
  readonly socket: TLSSocket
  readonly clientId: string
  readonly version: Version
  readonly keepAliveMs: number
  sentAt = performance.now()
  heardAt = this.sentAt
  sessionPresent = false
  readonly #events: ConnectionEvents
  #sent: Map<number, number> | undefined
  #asked: Map<number, (code: number) => void> | undefined
  /** QoS 2: messages that came and are not released yet. */
  #unreleased: Set<number> | undefined
  #outgoing: Buffer[] | undefined
  #lastId = ownIds.first
  #closing = false
  #end: Answer | undefined

  /** Messages of `publish` that are not acknowledged. */
  get inFlight(): number {
    return this.#sent?.size ?? 0
  }

  private constructor(socket: TLSSocket, options: ConnectionOptions, events: ConnectionEvents) {
    this.socket = socket
    this.clientId = options.clientId
    this.version = options.version
    this.keepAliveMs = options.keepAliveSeconds * 1_000
    this.#events = events
  }

  /** Resolves after a CONNACK that admits. @throws ConnectFailure */
  static open(options: ConnectionOptions, events: ConnectionEvents = {}): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const { version, timeoutMs, pipelined, signal } = options
      // Encoded here: what the listeners hold on to lives as long as the connection, and the options have its keys.
      let greeting: Buffer | undefined = encodeConnect(options)
      if (pipelined) greeting = Buffer.concat([greeting, pipelined])
      const socket = connectTls(tlsOptions(options))
      const connection = new Connection(socket, options, events)
      socket.setNoDelay(true)
      let admitted = false
      const fail = (message: string, reasonCode?: number, reason?: string) => {
        settled()
        reject(new ConnectFailure(message, reasonCode, reason))
        socket.destroy()
      }
      const timer = setTimeout(() => fail('timeout'), timeoutMs)
      const onAbort = () => fail('aborted')
      signal?.addEventListener('abort', onAbort, { once: true })
      const settled = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const read = readPackets((type, flags, bytes, start, end) => {
        if (admitted) return connection.#receive(type, flags, bytes, start, end)
        if (type !== packetTypes.connack) return fail(`packet ${type} instead of CONNACK`)
        const { reasonCode, reason, sessionPresent } = readConnack(bytes, start, end, version)
        if (reasonCode !== 0) return fail(`refused:${reasonCode}`, reasonCode, reason)
        admitted = true
        connection.sessionPresent = sessionPresent
        settled()
        if (connection.keepAliveMs > 0) keepAlive(connection)
        resolve(connection)
      })
      socket.on('data', (chunk) => {
        connection.heardAt = performance.now()
        try {
          read(chunk)
        } catch (error) {
          socket.destroy(error as Error)
        }
        connection.#flush()
      })
      socket.on('secureConnect', () => {
        if (greeting) socket.write(greeting)
        greeting = undefined
      })
      socket.on('session', (session) => events.session?.(connection, session))
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (!admitted) fail(error.code ?? error.message)
      })
      socket.on('close', () => {
        forget(connection)
        if (!admitted) return fail('closed before CONNACK')
        connection.#ended()
      })
    })
  }

  /** Sends `count` messages; with QoS 1 each has a packet id that is free. */
  publish(template: PublishTemplate, count: number): void {
    const ids = template.qos > 0 ? this.#takeIds(count) : new Array<number>(count).fill(0)
    this.send(template.encode(ids))
  }

  /** Whole packets; what is said to them comes by `answered`, so their packet ids are below 32,768. */
  send(packets: Buffer): void {
    this.sentAt = performance.now()
    if (!this.socket.destroyed) this.socket.write(packets)
  }

  /** Answers what was granted to the first: a QoS, or 128 and more; 255 where the connection ended before. */
  subscribe(filters: readonly string[], qos: Qos): Promise<number> {
    return this.#ask((messageId) => encodeSubscribe(messageId, filters, qos, this.version))
  }

  /** One message by itself: answers the reason code that came back, 255 where the connection ended before. */
  ask(topic: string, payload: Buffer, qos: 0 | 1): Promise<number> {
    const packet = { topic, payload, qos, version: this.version, dup: false }
    if (qos === 1) return this.#ask((messageId) => encodePublish({ ...packet, messageId }))
    this.send(encodePublish({ ...packet, messageId: 0 }))
    return Promise.resolve(0)
  }

  close(): void {
    this.#closing = true
    this.socket.end(disconnect)
    this.socket.destroySoon()
  }

  /** As when the power goes: without a word. */
  cut(): void {
    this.#closing = true
    this.socket.destroy()
  }

  ping(): void {
    this.send(pingreq)
  }

  giveUp(): void {
    this.socket.destroy()
  }

  #receive(type: number, flags: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case packetTypes.publish:
        this.#hear(flags, bytes, start, end)
        break
      case packetTypes.puback:
      case packetTypes.pubrec:
      case packetTypes.pubcomp:
        this.#takeAnswer(type, bytes.readUInt16BE(start), readAnswer(bytes, start, end, this.version))
        break
      case packetTypes.pubrel: {
        const messageId = bytes.readUInt16BE(start)
        this.#unreleased?.delete(messageId)
        this.#reply(encodeAnswer('pubcomp', messageId))
        break
      }
      case packetTypes.suback: {
        this.#settle(bytes.readUInt16BE(start), readFirstGrant(bytes, start, end, this.version))
        break
      }
      case packetTypes.disconnect:
        this.#end = readDisconnect(bytes, start, end, this.version)
    }
  }

  #hear(flags: number, bytes: Buffer, start: number, end: number): void {
    const qos = (flags >> 1) & 3
    if (qos === 1) this.#reply(encodeAnswer('puback', readPublishId(bytes, start)))
    if (qos === 2) {
      const messageId = readPublishId(bytes, start)
      this.#reply(encodeAnswer('pubrec', messageId))
      this.#unreleased ??= new Set()
      // [MQTT-4.3.3-10] It has been delivered already.
      if (this.#unreleased.has(messageId)) return
      this.#unreleased.add(messageId)
    }
    this.#events.message?.(this, flags, bytes, start, end)
  }

  #takeAnswer(type: number, messageId: number, answer: Answer): void {
    if (this.#settle(messageId, answer.reasonCode)) return
    const sentAt = this.#sent?.get(messageId)
    if (sentAt === undefined) {
      this.#events.answered?.(this, type, messageId, answer)
      return
    }
    this.#sent?.delete(messageId)
    this.#events.acknowledged?.(this, answer.reasonCode, performance.now() - sentAt)
  }

  #ask(encode: (messageId: number) => Buffer): Promise<number> {
    const messageId = this.#nextId()
    this.#asked ??= new Map()
    const asked = this.#asked
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve(0xff)
      asked.set(messageId, resolve)
      this.send(encode(messageId))
    })
  }

  #settle(messageId: number, code: number): boolean {
    const settle = this.#asked?.get(messageId)
    if (!settle) return false
    this.#asked?.delete(messageId)
    if (this.#asked?.size === 0) this.#asked = undefined
    settle(code)
    return true
  }

  #reply(packet: Buffer): void {
    this.#outgoing ??= []
    this.#outgoing.push(packet)
  }

  /** All acknowledgements of what one read brought are one write. */
  #flush(): void {
    const outgoing = this.#outgoing
    if (!outgoing) return
    this.#outgoing = undefined
    const [first] = outgoing
    const joined = outgoing.length === 1 ? first : Buffer.concat(outgoing)
    if (joined) this.send(joined)
  }

  #ended(): void {
    for (const settle of this.#asked?.values() ?? []) settle(0xff)
    if (!this.#closing) this.#events.closed?.(this, this.#end?.reasonCode, this.#end?.reason ?? '')
  }

  #takeIds(count: number): number[] {
    const at = performance.now()
    this.#sent ??= new Map()
    const ids: number[] = []
    while (ids.length < count) {
      const id = this.#nextId()
      this.#sent.set(id, at)
      ids.push(id)
    }
    return ids
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === ownIds.last ? ownIds.first : this.#lastId + 1
    while (this.#sent?.has(this.#lastId) || this.#asked?.has(this.#lastId))
    return this.#lastId
  }
}
