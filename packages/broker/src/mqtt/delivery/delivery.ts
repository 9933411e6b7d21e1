import { mayReceive } from '../../sessions/grant-filter.ts'
import { Aliases } from './aliases.ts'
import { FanOut, type Send, withPacketId } from './fan-out.ts'
import { type InFlight, PacketIds } from './in-flight.ts'
import { type Match, type Message, messageOf, type Qos, type Queued, type QueuedName } from './message.ts'
import type { DeliveryOptions } from './options.ts'
import type { Outlet } from './outlet.ts'
import { isShared } from './shared-groups.ts'
import { WaitingQueue } from './waiting-queue.ts'

/** Messages of a stored session that are taken from the store at a time. */
const batchSize = 32

/** Everything that goes out to one client: never more than it and we have room for, whoever else is slow. */
export class Delivery {
  readonly isStored: boolean
  readonly #outlet: Outlet
  readonly #options: DeliveryOptions
  readonly #window: number
  readonly #ids = new PacketIds()
  readonly #aliases: Aliases
  #queue: WaitingQueue | undefined
  /** In the store's queue: everything up to here is under way, or was dropped. */
  #cursor = 0
  #open = false
  /** Retained messages that wait for their turn, and the topics of those that were replaced meanwhile. */
  #retaining = 0
  #replaced: Set<string> | undefined
  #waitForRoom: (() => void)[] | undefined

  constructor(outlet: Outlet, options: DeliveryOptions) {
    this.#outlet = outlet
    this.#options = options
    this.#window = Math.min(options.receiveMaximum, options.limits.sendMaximum)
    this.isStored = options.isStored
    this.#aliases = new Aliases(Math.min(options.topicAliasMaximum, options.limits.topicAliases))
  }

  /** How much is under way or waiting here. */
  get load(): number {
    return this.#ids.size + (this.#queue?.length ?? 0)
  }

  hasRoom(): boolean {
    return this.#open && this.#room() > 0
  }

  /** After the CONNACK: first what was under way when the last connection ended. [MQTT-4.4.0-1] [MQTT-4.6.0-1] */
  open(): void {
    this.#open = true
    this.proceed()
  }

  /** A publication that has come in just now. */
  offer(fanOut: FanOut, match: Match): void {
    const { message } = fanOut
    const qos = Math.min(message.qos, match.qos) as Qos
    if (this.#retaining > 0 && message.retain) this.#replaced?.add(message.topic)
    const { identifiers, retainAsPublished } = match
    if (qos > 0 && this.isStored) this.#pull(fanOut)
    else this.#give(fanOut, { qos, retain: retainAsPublished && message.retain, identifiers })
  }

  /** A message for this client alone, whatever it has subscribed to. */
  async offerDirect(message: Message, match: Match, retain = false): Promise<void> {
    const qos = Math.min(message.qos, match.qos) as Qos
    if (qos === 0 || !this.isStored)
      return this.#give(new FanOut(message), { qos, retain, identifiers: match.identifiers })
    const { properties: given, ...rest } = message
    const [subscriptionIdentifier] = match.identifiers
    const properties = subscriptionIdentifier === undefined ? given : { ...given, subscriptionIdentifier }
    const queued = { ...rest, qos, retain, dup: false, ...(properties && { properties: { ...properties } }) }
    await this.#options.store.outgoingEnqueue({ clientId: this.#outlet.id }, queued)
    this.#pull()
  }

  /** A retained message of a new subscription: resolves when it is under way, which may be when the client lets it. */
  async retained(message: Message, match: Match): Promise<void> {
    this.#retaining++
    this.#replaced ??= new Set()
    try {
      while (this.#open && this.#room() <= 0)
        await new Promise<void>((resolve) => {
          this.#waitForRoom ??= []
          this.#waitForRoom.push(resolve)
        })
      // A newer one was there first.
      if (this.#open && !this.#replaced?.has(message.topic)) await this.offerDirect(message, match, true)
    } finally {
      this.#retaining--
      if (this.#retaining === 0) this.#replaced = undefined
    }
  }

  /** PUBACK, PUBREC or PUBCOMP. Answers what is wrong with it, if something is. */
  acknowledge(cmd: 'puback' | 'pubrec' | 'pubcomp', id: number, reasonCode: number): string | undefined {
    const entry = this.#ids.get(id)
    if (!entry) {
      // MQTT 5, 4.3.3: 0x92 is "packet identifier not found". Of the other two nothing is expected.
      if (cmd === 'pubrec') this.#outlet.send({ cmd: 'pubrel', messageId: id, reasonCode: 0x92 })
      return undefined
    }
    if (cmd === 'puback') {
      if (entry.qos !== 1) return 'PUBACK for a QoS 2 message'
      this.#release(entry)
    } else if (cmd === 'pubcomp') {
      if (!entry.isReleased) return 'PUBCOMP before PUBREC'
      this.#release(entry)
    } else {
      if (entry.qos !== 2) return 'PUBREC for a QoS 1 message'
      // [MQTT-4.3.3-4]: only below 0x80 does PUBREL follow.
      if (reasonCode >= 0x80) this.#release(entry)
      else this.#received(entry)
    }
    return undefined
  }

  /** There may be room again. */
  proceed(): void {
    if (!this.#open) return
    if (this.isStored) this.#pull()
    else this.#sendWaiting()
    const waiting = this.#waitForRoom
    this.#waitForRoom = undefined
    for (const resolve of waiting ?? []) resolve()
  }

  /** Nothing goes out any more. Answers what another member of a shared subscription may have. [MQTT-4.8.2-5] */
  close(): Message[] {
    this.#open = false
    const waiting = this.#waitForRoom
    this.#waitForRoom = undefined
    for (const resolve of waiting ?? []) resolve()
    if (this.isStored) return []
    const unacknowledged = [...this.#ids.values()].flatMap(({ qos, message }) =>
      qos === 1 && message ? [message] : [],
    )
    return [...unacknowledged, ...(this.#queue?.messages() ?? [])].filter(isShared)
  }

  #room(): number {
    if (this.#outlet.isFull) return 0
    return this.#window - this.#ids.size
  }

  /** Sends at once, or lets wait, a message that is in no store. */
  #give(fanOut: FanOut, how: Omit<Send, 'version' | 'dup'>): void {
    const { limits, observer } = this.#options
    if (how.qos === 0) {
      if (this.#outlet.isFull) observer.dropped('slow-reader')
      else if (this.#open) this.#transmit(fanOut, { ...how, dup: false })
    } else if (this.#open && !this.#queue?.length && this.#room() > 0) this.#start(fanOut, how)
    else {
      this.#queue ??= new WaitingQueue(limits)
      if (!this.#queue.add(fanOut, how)) observer.dropped('queue-full')
    }
  }

  #sendWaiting(): void {
    while (this.#queue?.length && this.#room() > 0) {
      const next = this.#queue.take()
      if (next) this.#start(next.fanOut, next.how)
    }
    if (this.#queue?.length === 0) this.#queue = undefined
  }

  #start(fanOut: FanOut, how: Omit<Send, 'version' | 'dup'>): void {
    const { message } = fanOut
    const id = this.#ids.next()
    if (this.#transmit(fanOut, { ...how, dup: false }, id))
      this.#ids.add({ id, qos: how.qos, isReleased: false, message: isShared(message) ? message : undefined })
  }

  /** Takes from the session's queue what there is room for. */
  #pull(current?: FanOut): void {
    if (!this.#open) return
    for (;;) {
      const count = Math.min(this.#room(), batchSize)
      if (count <= 0) return
      const batch = this.#options.store.queued(this.#outlet.id, this.#cursor, count)
      for (const queued of batch) {
        this.#cursor = queued.cursor
        this.#sendQueued(queued, current)
      }
      if (batch.length < count) return
    }
  }

  #sendQueued(queued: Queued, current: FanOut | undefined): void {
    const { cmd, brokerId, brokerCounter, messageId } = queued
    if (cmd === 'pubrel') {
      const id = messageId ?? 0
      this.#ids.add({ id, qos: 2, isReleased: true, message: undefined })
      this.#outlet.send({ cmd: 'pubrel', messageId: id })
      return
    }
    const isCurrent = current?.message.brokerCounter === brokerCounter && current.message.brokerId === brokerId
    const fanOut = isCurrent ? current : new FanOut(messageOf(queued))
    const { qos, retain, dup } = queued
    const identifiers = this.#identifiersOf(queued)
    const send = { qos, retain, dup, identifiers }
    if (qos === 0) {
      this.#transmit(fanOut, send)
      this.#forget(queued)
    } else if (qos === 2 && messageId === undefined) this.#sendOnce(queued, fanOut, send)
    else {
      const id = messageId ?? this.#ids.next()
      const sent = this.#transmit(fanOut, send, id)
      if (sent) this.#ids.add({ id, qos, isReleased: false, message: undefined })
      if (!sent) this.#forget(queued)
      else if (messageId === undefined) this.#note({ brokerCounter, messageId: id })
    }
  }

  /** All that match, where it came by the session's own subscriptions. [MQTT-3.3.4-4] */
  #identifiersOf({ properties, clientId, topic }: Queued): readonly number[] {
    const known = [properties?.subscriptionIdentifier ?? []].flat() as number[]
    if (clientId === undefined || clientId.startsWith('$share/')) return known
    const others = this.#options.otherIdentifiers(topic)
    return others.length === 0 ? known : [...known, ...others]
  }

  /** Exactly once: after a crash it must come again with this packet id, so that is on disk before. [MQTT-4.3.3-2] */
  #sendOnce(queued: Queued, fanOut: FanOut, send: Omit<Send, 'version'>): void {
    const id = this.#ids.next()
    this.#ids.add({ id, qos: 2, isReleased: false, message: undefined })
    this.#note({ brokerCounter: queued.brokerCounter, messageId: id }, () => {
      if (!this.#open || this.#transmit(fanOut, send, id)) return
      this.#ids.delete(id)
      this.#forget({ ...queued, messageId: id })
    })
  }

  #note(name: QueuedName, then: () => void = () => {}): void {
    this.#options.store.outgoingUpdate(this.#outlet, name).then(then, this.#options.observer.failed)
  }

  #forget({ messageId, brokerCounter }: QueuedName): void {
    const { store, observer } = this.#options
    store.outgoingClearMessageId(this.#outlet, { messageId, brokerCounter }).catch(observer.failed)
  }

  /** False when the message is not for this client (any more). */
  #transmit(fanOut: FanOut, how: Omit<Send, 'version'>, id = 0): boolean {
    const { maximumPacketSize, observer } = this.#options
    const now = Date.now()
    const outlet = this.#outlet
    if (!mayReceive(outlet.session, fanOut.message.topic)) return false
    if (fanOut.isExpired(now)) {
      observer.dropped('expired')
      return false
    }
    const { topic } = fanOut.message
    const alias = this.#aliases.find(topic)
    const frame = fanOut.frame({ ...how, version: outlet.version, alias }, now)
    // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
    if (maximumPacketSize !== undefined && frame.bytes.length > maximumPacketSize) {
      observer.dropped('too-large')
      return false
    }
    if (alias && !alias.isKnown) this.#aliases.note(topic, alias)
    observer.delivered(how.qos)
    if (how.qos === 0) outlet.write(frame.bytes)
    else for (const piece of withPacketId(frame, id)) outlet.write(piece)
    return true
  }

  /** PUBREC: from now on there is only PUBREL. [MQTT-4.3.3-6] */
  #received(entry: InFlight): void {
    const { id, isReleased } = entry
    entry.isReleased = true
    entry.message = undefined
    const answer = () => this.#outlet.send({ cmd: 'pubrel', messageId: id })
    if (isReleased || !this.isStored) answer()
    else this.#note({ cmd: 'pubrel', messageId: id }, answer)
  }

  #release({ id }: InFlight): void {
    this.#ids.delete(id)
    if (this.isStored) this.#forget({ messageId: id })
    this.proceed()
  }
}
