import { Readable } from 'node:stream'
import type { Client } from 'aedes'
import MemoryPersistence, { type StoredPacket } from 'aedes-persistence/asyncPersistence.js'
import type { Limits } from '../limits.ts'
import type { Observer } from '../observer.ts'
import { maySubscribe } from '../sessions/grant-filter.ts'
import type { SessionRemains } from '../sessions/sessions.ts'
import { sessionOf } from './client.ts'
import { OutgoingQueue } from './outgoing-queue.ts'

type Holder = { id: string }

/** What the store asks of aedes. */
interface Timers {
  clearSessionExpiry(key: string): void
  clearDelayedWill(key: string): void
}

/**
 * Sessions in memory, as aedes-persistence keeps them, with four differences: queues have a bound, refused filters are not
 * kept, of received QoS 2 messages only the packet ids are, and all of a session can be purged.
 */
export class SessionStore extends MemoryPersistence implements SessionRemains {
  readonly #limits: Limits
  readonly #observer: Pick<Observer, 'dropped'>
  readonly #outgoing = new Map<string, OutgoingQueue<StoredPacket>>()
  readonly #received = new Map<string, Set<number>>()
  #timers: Timers | undefined

  constructor(limits: Limits, observer: Pick<Observer, 'dropped'>) {
    super()
    this.#limits = limits
    this.#observer = observer
  }

  // aedes insists on an async function here.
  override async setup(broker: Timers): Promise<void> {
    this.#timers = broker
    await super.setup(broker)
  }

  isReceived(key: string, messageId: number): boolean {
    return this.#received.get(key)?.has(messageId) ?? false
  }

  /** The packet ids of a session that ends with its connection. */
  forgetReceived(key: string): void {
    this.#received.delete(key)
  }

  async purge(key: string): Promise<void> {
    this.#timers?.clearSessionExpiry(key)
    await this.cleanSubscriptions({ id: key })
    await this.dropWill(key)
  }

  async dropWill(key: string): Promise<void> {
    this.#timers?.clearDelayedWill(key)
    await super.delWill({ id: key })
  }

  /** aedes hands over all filters of a SUBSCRIBE as soon as one of them is allowed. */
  override async addSubscriptions(client: Client, subscriptions: { topic: string; qos: number }[]): Promise<void> {
    const session = sessionOf(client)
    const allowed = subscriptions.filter(({ topic }) => maySubscribe(session, topic))
    if (allowed.length > 0) await super.addSubscriptions(client, allowed)
  }

  /** aedes calls it where a session begins anew or has ended. [MQTT-3.1.2-4] */
  override async cleanSubscriptions(client: Holder): Promise<void> {
    this.#outgoing.delete(client.id)
    this.#received.delete(client.id)
    await super.cleanSubscriptions(client)
  }

  override async outgoingEnqueue(subscription: { clientId: string }, packet: StoredPacket): Promise<void> {
    await this.outgoingEnqueueCombi([subscription], packet)
  }

  override async outgoingEnqueueCombi(subscriptions: { clientId: string }[], packet: StoredPacket): Promise<void> {
    if (subscriptions.length === 0) return
    for (const { clientId } of subscriptions) {
      let queue = this.#outgoing.get(clientId)
      if (!queue) {
        queue = new OutgoingQueue(this.#limits)
        this.#outgoing.set(clientId, queue)
      }
      if (!queue.add(copyOf(packet))) this.#observer.dropped('queue-full')
    }
  }

  override async outgoingUpdate(client: Holder, packet: StoredPacket): Promise<void> {
    this.#outgoing.get(client.id)?.update(packet)
  }

  override async outgoingClearMessageId(client: Holder, packet: StoredPacket): Promise<StoredPacket | undefined> {
    const queue = this.#outgoing.get(client.id)
    const removed = queue?.remove(packet)
    if (queue?.packets.length === 0) this.#outgoing.delete(client.id)
    return removed
  }

  override outgoingStream(client: Holder): Readable {
    return Readable.from([...(this.#outgoing.get(client.id)?.packets ?? [])])
  }

  override async incomingStorePacket(client: Holder, packet: StoredPacket): Promise<void> {
    const received = this.#received.get(client.id) ?? new Set()
    this.#received.set(client.id, received.add(packet.messageId ?? 0))
  }

  // aedes asks only whether it is there: a rejection is its "no".
  override async incomingGetPacket(client: Holder, packet: StoredPacket): Promise<StoredPacket> {
    if (!this.isReceived(client.id, packet.messageId ?? 0)) throw new Error('no such packet')
    return packet
  }

  override async incomingDelPacket(client: Holder, packet: StoredPacket): Promise<void> {
    this.#received.get(client.id)?.delete(packet.messageId ?? 0)
  }
}

/** The parser's payload is a piece of a larger buffer, which would be kept with it. */
function copyOf(packet: StoredPacket): StoredPacket {
  const copy = new MemoryPersistence.Packet(packet)
  if (Buffer.isBuffer(packet.payload)) copy.payload = Buffer.from(packet.payload)
  return copy
}
