import { Readable } from 'node:stream'
import type { Client } from 'aedes'
import { maySubscribe } from '../sessions/grant-filter.ts'
import type { QueueBounds } from '../sessions/session.ts'
import type { SessionRemains } from '../sessions/sessions.ts'
import { sessionOf } from './client.ts'
import type { Subscription } from './store/kept-session.ts'
import { Lives, type SessionOptions } from './store/lives.ts'
import type { Target } from './store/merge-targets.ts'
import { type OpenedStore, openStore, type StoreOptions } from './store/open-store.ts'
import { readBody, type StoredPacket } from './store/packet.ts'
import { type PacketName, Queues } from './store/queues.ts'
import { Received } from './store/received.ts'
import { encodeBody, type FilterRecord, willRecordKey } from './store/records.ts'
import { Retain } from './store/retain.ts'
import type { State, StoredWill } from './store/state.ts'

type Holder = { id: string }
type Wanted = { topic: string } & FilterRecord

/** What the store asks of aedes. */
interface Publisher {
  id: string
  counter: number
  clearDelayedWill(key: string): void
}

export async function openSessionStore(options: StoreOptions): Promise<SessionStore> {
  return new SessionStore(await openStore(options), options)
}

/**
 * Sessions, their queues and wills, and retained messages: in memory what is needed to find them, and all of it on disk. It is
 * aedes' persistence, and what a promise of it has resolved for survives the process.
 */
export class SessionStore implements SessionRemains, AsyncDisposable {
  readonly #state: State
  readonly #journal: OpenedStore['journal']
  readonly #queues: Queues
  readonly #lives: Lives
  readonly #received: Received
  readonly #retain: Retain
  readonly #now: () => number
  readonly #opened: OpenedStore
  readonly #closing: AsyncDisposable
  readonly #subscribing = new WeakMap<object, Promise<void>>()
  #publisher: Publisher | undefined

  constructor(opened: OpenedStore, { limits, observer, now, onKept = () => undefined }: StoreOptions) {
    const { state, journal } = opened
    this.#state = state
    this.#journal = journal
    this.#now = () => now().getTime()
    this.orphanedWills = [...state.wills.values()]
    const shared = { state, journal, limits, observer, now: this.#now }
    this.#queues = new Queues(shared)
    this.#lives = new Lives({ ...shared, queues: this.#queues, onKept })
    for (const { key, endsAt } of state.sessions.values()) onKept(key, endsAt)
    this.#received = new Received(shared)
    this.#retain = new Retain({ ...shared, onDropped: () => observer.dropped('not-stored') })
    this.#opened = opened
    this.#closing = opened.keep(() => {
      this.#lives.endExpired()
      this.#retain.deleteExpired()
    })
  }

  // aedes insists on an async function here.
  async setup(broker: Publisher): Promise<void> {
    this.#publisher = broker
    this.#queues.brokerId = broker.id
    // Publications that are still in queues keep their numbers.
    broker.counter = Math.max(broker.counter, this.#state.lastMessage)
  }

  get isWritable(): boolean {
    return this.#journal.isWritable()
  }

  get counts() {
    const { sessions, queued, messages, retained, wills } = this.#state
    const all = { sessions: sessions.size, queued, messages: messages.count, wills: wills.size }
    return { ...all, retained: retained.count, retainedBytes: retained.bytes }
  }

  /** Answers whether there was a session to go on with; with `fresh` there is none. `false`: nothing of a new one is kept. [MQTT-3.2.2-2] */
  openSession(key: string, fresh: boolean, options: SessionOptions | boolean = true): Promise<boolean> {
    const expiry = options === false ? { expirySeconds: 0 } : {}
    return this.#lives.open(key, fresh, typeof options === 'boolean' ? expiry : options)
  }

  /** Its connection is gone. With 0 it ends now. */
  async closeSession(key: string, expirySeconds: number): Promise<void> {
    this.#received.forget(key)
    await this.#lives.close(key, expirySeconds)
  }

  hasSession(key: string): boolean {
    return this.#state.sessions.has(key)
  }

  async purge(key: string): Promise<void> {
    this.#publisher?.clearDelayedWill(key)
    await this.#lives.purge(key)
  }

  async dropWill(key: string): Promise<void> {
    this.#publisher?.clearDelayedWill(key)
    this.#lives.forgetWill(key)
    await this.#journal.flush()
  }

  /** aedes hands over all filters of a SUBSCRIBE, once for each that is allowed. */
  async addSubscriptions(client: Client, subscriptions: Wanted[]): Promise<void> {
    const under = this.#subscribing.get(subscriptions)
    if (under) return under
    const session = sessionOf(client)
    const allowed = subscriptions.filter(({ topic }) => maySubscribe(session, topic))
    if (allowed.length === 0) return
    const stored = this.#lives.subscribe(client.id, allowed)
    this.#subscribing.set(subscriptions, stored)
    await stored
  }

  /** What is queued already stays, and keeps its order. */
  boundQueue({ id }: Holder, bounds: QueueBounds): void {
    this.#lives.bound(id, bounds)
  }

  removeSubscriptions(client: Holder, filters: string[]): Promise<void> {
    return this.#lives.unsubscribe(client.id, filters)
  }

  /** aedes calls it where a session begins anew or has ended. [MQTT-3.1.2-4] */
  async cleanSubscriptions(client: Holder): Promise<void> {
    // Asked for after `openSession` has ended what was there: what it has opened since stays, for a session that begins
    // with a clean start may outlive its connection. [MQTT-3.1.2-4]
    this.#received.forget(client.id)
  }

  async subscriptionsByClient({ id }: Holder): Promise<Omit<Subscription, 'clientId'>[]> {
    return (this.#state.sessions.get(id)?.subscriptions ?? []).map(({ clientId: _, ...subscription }) => subscription)
  }

  async subscriptionsByTopic(topic: string): Promise<Subscription[]> {
    return this.#state.subscriptions.match(topic)
  }

  *sharedSubscriptions(): Generator<Subscription> {
    for (const { subscriptions } of this.#state.sessions.values())
      for (const subscription of subscriptions) if (subscription.topic.startsWith('$share/')) yield subscription
  }

  hasSubscribers(topic: string): boolean {
    return this.#state.subscriptions.matches(topic)
  }

  /** As it is, for one session. */
  outgoingEnqueue({ clientId }: Target, packet: StoredPacket): Promise<void> {
    const given = packet.properties?.subscriptionIdentifier as number | number[] | undefined
    const identifiers = given === undefined ? undefined : [given].flat()
    return this.outgoingEnqueueCombi([{ clientId, rap: true, identifiers }], packet)
  }

  /** Resolves when it is in every queue, and whatever else the acknowledgement of the packet depends on is on disk too. */
  async outgoingEnqueueCombi(targets: readonly Target[], packet: StoredPacket): Promise<void> {
    const retained = this.#retain.takePending(packet)
    const received = this.#received.take(packet)
    if (targets.length === 0 && !received) return retained
    const queued = this.#queues.enqueue(targets, packet, received?.receipt)
    received?.stored(queued)
    if (retained) await Promise.all([queued, retained])
    else await queued
  }

  async outgoingUpdate({ id }: Holder, packet: PacketName): Promise<void> {
    const session = this.#state.sessions.get(id)
    if (session) await this.#queues.update(session, packet)
  }

  /** Without a packet id the message itself is meant: it was never sent. */
  async outgoingClearMessageId({ id }: Holder, packet: PacketName): Promise<PacketName | undefined> {
    const session = this.#state.sessions.get(id)
    const entry = session && this.#queues.find(session, packet)
    if (!entry) return undefined
    this.#queues.remove(session, entry)
    return { brokerCounter: entry.message.id, messageId: entry.packetId, qos: entry.qos }
  }

  outgoingStream({ id }: Holder): Readable {
    const session = this.#state.sessions.get(id)
    return Readable.from(session ? this.#queues.packets(session) : [], { highWaterMark: 1 })
  }

  /** What is queued after `cursor`, in order and ready to be sent. */
  queued(key: string, cursor: number, count: number): (StoredPacket & { cursor: number })[] {
    const session = this.#state.sessions.get(key)
    return session ? this.#queues.packets(session, cursor).take(count).toArray() : []
  }

  /** To be called before a QoS 2 packet is published: its id is stored in one batch with what the publication queues. */
  receiving(client: Holder, packet: Pick<StoredPacket, 'messageId' | 'properties'>): void {
    this.#received.mark(client.id, packet)
  }

  isReceived(key: string, messageId: number): boolean {
    return this.#received.has(key, messageId)
  }

  async incomingStorePacket(client: Holder, packet: PacketName): Promise<void> {
    await this.#received.store(client.id, packet.messageId ?? 0)
  }

  // aedes asks only whether it is there: a rejection is its "no".
  async incomingGetPacket<Packet extends PacketName>(client: Holder, packet: Packet): Promise<Packet> {
    if (!(await this.#received.find(client.id, packet.messageId ?? 0))) throw new Error('no such packet')
    return packet
  }

  async incomingDelPacket(client: Holder, packet: PacketName): Promise<void> {
    this.#received.delete(client.id, packet.messageId ?? 0)
  }

  async storeRetained(packet: StoredPacket): Promise<void> {
    this.#retain.store(packet)
  }

  createRetainedStreamCombi(filters: string[]): Readable {
    return Readable.from(this.#retainedPackets(filters), { highWaterMark: 16 })
  }

  async putWill(client: Client, packet: StoredPacket): Promise<void> {
    const key = client.id
    const will = { key, body: readBody(packet), holder: sessionOf(client)?.peer }
    const record = willRecordKey(key)
    const stored = this.#journal.propose({
      writes: [{ type: 'put', key: record, value: encodeBody(will.body, will.holder) }],
      apply: () => this.#state.wills.set(key, will),
      undo: () => [{ type: 'del', key: record }],
    })
    // Without room it is good for as long as the process lives: a full disk must not keep devices out.
    await stored.catch(() => this.#state.wills.set(key, will))
  }

  async delWill(client: Holder): Promise<void> {
    this.#lives.forgetWill(client.id)
  }

  /** Those that were there when the store was opened, as far as they have not been replaced or dropped since. */
  readonly orphanedWills: readonly StoredWill[]

  holdsWill(will: StoredWill): boolean {
    return this.#state.wills.get(will.key) === will
  }

  expirySecondsOf(key: string): number {
    return this.#state.sessions.get(key)?.expirySeconds ?? 0
  }

  /** Of brokers that died: there are no others here. */
  streamWill(): Readable {
    return Readable.from([])
  }

  /** What is queued on the disk alone can be had again. */
  onRecovered(listener: () => void): void {
    this.#opened.onRecovered(listener)
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#closing[Symbol.asyncDispose]()
  }

  async *#retainedPackets(filters: string[]) {
    for await (const body of this.#state.retained.match(filters, this.#now)) {
      const { properties, messageExpiry, ...rest } = body
      yield { ...rest, cmd: 'publish', ...(properties && { properties }), ...(messageExpiry && { messageExpiry }) }
    }
  }
}
