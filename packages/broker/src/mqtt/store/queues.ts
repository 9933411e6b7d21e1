import { setImmediate as nextTurn } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import type { Limits } from '../../limits.ts'
import type { Observer } from '../../observer.ts'
import type { Journal, Write } from './journal.ts'
import type { KeptSession } from './kept-session.ts'
import { type How, mergeTargets, type Target } from './merge-targets.ts'
import type { Message } from './messages.ts'
import { type Body, readBody, type StoredPacket, sizeOf } from './packet.ts'
import { type Entry, Queue, recordOf } from './queue.ts'
import { encodeBody, encodeQueued, messageRecordKey, queuedRecordKey, states } from './records.ts'
import type { State } from './state.ts'

/** What a packet is known by: its packet id, or, when it has none, the publication it carries. */
export interface PacketName {
  cmd?: string
  brokerCounter?: number | undefined
  messageId?: number | undefined
  qos?: number
}

type Wanted = [session: KeptSession, how: How]

/** What goes to disk in one batch with a publication. */
interface Also {
  write: Write
  undo: Write
  apply(): void
}

/** So many queues at once. */
const slice = 1_000

interface Delivery {
  session: KeptSession
  entry: Entry
}

export interface QueuesOptions {
  state: State
  journal: Journal
  limits: Limits
  observer: Pick<Observer, 'dropped' | 'failed'>
  now(): number
}

/** The queues of all sessions. */
export class Queues {
  readonly #options: QueuesOptions
  /** By topic: publications that go to so many that it takes several turns. */
  readonly #fanningOut = new Map<string, Promise<void>>()
  brokerId = ''

  constructor(options: QueuesOptions) {
    this.#options = options
  }

  /**
   * In one batch with `also`, unless very many get it; resolves when it is on disk, in the order of the calls.
   * @throws MusterError `quota-exceeded` | `unavailable`
   */
  async enqueue(targets: readonly Target[], packet: StoredPacket, also?: Also): Promise<void> {
    const { topic } = packet
    // What is published to a topic later does not overtake what many still get of it. [MQTT-4.6.0-6]
    while (this.#fanningOut.has(topic)) await this.#fanningOut.get(topic)
    const wanted = [...mergeTargets(this.#options.state.sessions, targets, packet)]
    if (wanted.length <= slice) return this.#enqueue(wanted, packet, also)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#fanningOut.set(topic, promise)
    const { all } = await this.#fanOut(wanted, packet, also)
    this.#fanningOut.delete(topic)
    resolve()
    await all
  }

  /** Lets others have their turns in between. Answers when all is proposed; `all` is when it is on disk. */
  async #fanOut(wanted: Wanted[], packet: StoredPacket, also: Also | undefined) {
    const { state, journal } = this.#options
    const batches: Promise<void>[] = []
    let message: Message | undefined
    let isFailed = false
    for (let start = 0; start < wanted.length && !isFailed; start += slice) {
      const isLast = start + slice >= wanted.length
      const batch = this.#enqueue(wanted.slice(start, start + slice), packet, isLast ? also : undefined)
      batch.catch(() => {
        isFailed = true
      })
      batches.push(batch)
      // Held until all have it: the first may be done with it before the last have got it.
      if (!message) {
        message = state.messages.find(packet.brokerCounter)
        if (message) state.messages.hold(message)
      }
      await nextTurn()
    }
    const all = Promise.all(batches).finally(() => {
      if (message) journal.note(...state.messages.release(message))
    })
    all.catch(() => {})
    return { all }
  }

  async #enqueue(wanted: Wanted[], packet: StoredPacket, also: Also | undefined): Promise<void> {
    const { state, journal } = this.#options
    const deliveries: Delivery[] = []
    let message: Message | undefined
    for (const [session, how] of wanted) {
      if (session.gone) continue
      message ??= this.#message(packet)
      if (session.queue?.has(message.id)) continue
      if (this.#reserve(session, message)) deliveries.push({ session, entry: { ...how, seq: ++state.seq, message } })
      else this.#options.observer.dropped('queue-full')
    }
    const writes = also ? [also.write] : []
    if (message) writes.push(...this.#hold(message, deliveries))
    if (writes.length === 0) return
    await journal.propose({
      writes,
      frees: deliveries.length === 0,
      apply: () => {
        for (const delivery of deliveries) this.#add(delivery)
        also?.apply()
      },
      undo: () => [...(also ? [also.undo] : []), ...deliveries.flatMap((delivery) => this.#drop(delivery))],
    })
  }

  /** Notes the packet id of a message, or that it was received and is to be released (QoS 2). */
  async update(session: KeptSession, packet: PacketName): Promise<void> {
    const { messages } = this.#options.state
    const isRelease = packet.cmd === 'pubrel'
    const entry = isRelease
      ? session.queue?.findPacketId(packet.messageId ?? 0)
      : session.queue?.findMessage(packet.brokerCounter ?? 0)
    if (!entry || entry.state === states.released || packet.messageId === undefined) return
    if (!isRelease) session.queue?.assign(entry, packet.messageId)
    else {
      entry.state = states.released
      this.#options.journal.note(...messages.release(entry.message))
    }
    this.#options.journal.note(this.#put(session, entry))
    // A packet id that the receiver of a QoS 2 message may know must never be forgotten. [MQTT-4.3.3-1]
    if (entry.qos === 2) await this.#options.journal.flush()
  }

  find(session: KeptSession, packet: PacketName): Entry | undefined {
    return packet.messageId === undefined
      ? session.queue?.findMessage(packet.brokerCounter ?? 0)
      : session.queue?.findPacketId(packet.messageId)
  }

  remove(session: KeptSession, entry: Entry): void {
    if (!session.queue?.remove(entry)) return
    this.#options.state.queued -= 1
    this.#options.journal.note(...this.#forget(session, entry))
    if (session.queue.size === 0) session.queue = undefined
  }

  /** Of a session that has ended. */
  clear(session: KeptSession): Write[] {
    const entries = [...(session.queue?.entries() ?? [])]
    this.#options.state.queued -= entries.length
    session.queue = undefined
    return entries.flatMap((entry) => this.#forget(session, entry))
  }

  /** What was queued after `cursor`, as it is to be sent. */
  *packets(session: KeptSession, cursor = 0): Generator<StoredPacket & { cursor: number }> {
    const last = this.#options.state.seq
    for (const entry of session.queue?.entries() ?? []) {
      if (session.gone || entry.seq > last) return
      if (entry.seq <= cursor) continue
      const packet = this.#read(entry)
      // The disk cannot be read now: what is queued waits.
      if (packet === 'unreadable') return
      if (packet) yield packet
      else {
        // Its entry is there and it is not: damage, which must not keep all that comes after it from its receiver.
        this.#options.observer.failed(
          new MusterError('internal', `a queued message of ${session.key} is missing on disk`),
        )
        this.remove(session, entry)
      }
    }
  }

  #read(entry: Entry): (StoredPacket & { cursor: number }) | 'unreadable' | undefined {
    try {
      return this.#packet(entry)
    } catch (error) {
      this.#options.observer.failed(error)
      return error instanceof MusterError ? undefined : 'unreadable'
    }
  }

  #packet(entry: Entry): (StoredPacket & { cursor: number }) | undefined {
    const { seq, message, qos, retain, identifiers, packetId, state } = entry
    const name = { brokerId: this.brokerId, brokerCounter: message.id, messageId: packetId, cursor: seq }
    const dup = state === states.sent
    if (state === states.released)
      return { ...name, cmd: 'pubrel', topic: '', payload: '', qos: 1, retain: false, dup: false }
    const body = this.#options.state.messages.read(message)
    if (!body) return undefined
    const { topic, payload, messageExpiry, clientId } = body
    const properties = identifiers ? { ...body.properties, subscriptionIdentifier: identifiers } : body.properties
    const packet = { ...name, cmd: 'publish', topic, payload, qos, retain, dup }
    return {
      ...packet,
      ...(properties && { properties: { ...properties } }),
      ...(messageExpiry !== undefined && { messageExpiry }),
      ...(clientId !== undefined && { clientId }),
    }
  }

  #message(packet: StoredPacket): Message {
    const { state } = this.#options
    const known = state.messages.find(packet.brokerCounter)
    if (known) return known
    const body = readBody(packet)
    state.lastMessage = Math.max(state.lastMessage, packet.brokerCounter)
    return state.messages.add(packet.brokerCounter, { bytes: sizeOf(body), expiresAt: body.messageExpiry, body })
  }

  #hold(message: Message, deliveries: Delivery[]): Write[] {
    const { messages } = this.#options.state
    const body: Body | undefined = message.holders === 0 ? message.body : undefined
    if (deliveries.length === 0) {
      if (message.holders === 0) messages.discard(message)
      return []
    }
    messages.hold(message, deliveries.length)
    const writes = deliveries.map(({ session, entry }) => this.#put(session, entry))
    return body ? [{ type: 'put', key: messageRecordKey(message.id), value: encodeBody(body) }, ...writes] : writes
  }

  /** Answers false when there is no room: what is queued already keeps its place and its order. */
  #reserve(session: KeptSession, { bytes }: Message): boolean {
    const { limits, now } = this.#options
    const { queuedMessages = limits.queuedMessages, queuedBytes = limits.queuedBytes } = session
    const waiting = session.waiting ?? { messages: 0, bytes: 0 }
    const fits = () =>
      (session.queue?.size ?? 0) + waiting.messages < queuedMessages &&
      (session.queue?.bytes ?? 0) + waiting.bytes + bytes <= queuedBytes
    if (!fits()) {
      for (const entry of session.queue?.findExpired(now()) ?? []) this.remove(session, entry)
      if (!fits()) return false
    }
    waiting.messages += 1
    waiting.bytes += bytes
    session.waiting = waiting
    return true
  }

  #unreserve(session: KeptSession, { bytes }: Message) {
    const { waiting } = session
    if (!waiting) return
    waiting.messages -= 1
    waiting.bytes -= bytes
    if (waiting.messages === 0) session.waiting = undefined
  }

  #add({ session, entry }: Delivery) {
    this.#unreserve(session, entry.message)
    if (session.gone) {
      this.#options.journal.note(...this.#forget(session, entry))
      return
    }
    session.queue ??= new Queue()
    session.queue.add(entry)
    this.#options.state.queued += 1
  }

  #drop({ session, entry }: Delivery): Write[] {
    this.#unreserve(session, entry.message)
    return this.#forget(session, entry)
  }

  #forget(session: KeptSession, entry: Entry): Write[] {
    const released = entry.state === states.released ? [] : this.#options.state.messages.release(entry.message)
    return [{ type: 'del', key: queuedRecordKey(session.key, entry.seq) }, ...released]
  }

  #put(session: KeptSession, entry: Entry): Write {
    return { type: 'put', key: queuedRecordKey(session.key, entry.seq), value: encodeQueued(recordOf(entry)) }
  }
}
