import type { Journal, Write } from './journal.ts'
import type { Properties, StoredPacket } from './packet.ts'
import { receivedRecordKey } from './records.ts'
import type { State } from './state.ts'

/** A packet id on its way to the disk, in one batch with the publication that came with it. */
export interface Receipt {
  write: Write
  undo: Write
  apply(): void
}

type Packet = Pick<StoredPacket, 'messageId' | 'properties'>

/** Packet ids of QoS 2 messages that were received and not released yet. */
export class Received {
  readonly #state: State
  readonly #journal: Journal
  /** Of sessions that end with their connection. */
  readonly #passing = new Map<string, Set<number>>()
  readonly #marked = new WeakMap<Properties, { key: string; packetId: number }>()
  readonly #storing = new Map<string, Promise<void>>()

  constructor({ state, journal }: { state: State; journal: Journal }) {
    this.#state = state
    this.#journal = journal
  }

  has(key: string, packetId: number): boolean {
    return this.#of(key)?.has(packetId) ?? false
  }

  /** Waits for one that is on its way to the disk. */
  async find(key: string, packetId: number): Promise<boolean> {
    await this.#storing.get(`${key}\0${packetId}`)?.catch(() => {})
    return this.has(key, packetId)
  }

  /** The publication that is made of the packet takes the id to the disk: its properties go with it wherever it is copied. */
  mark(key: string, packet: Packet): void {
    packet.properties ??= {}
    this.#marked.set(packet.properties, { key, packetId: packet.messageId ?? 0 })
  }

  /** What the publication's batch has to hold, and what to call with the batch's promise. */
  take({ properties }: Packet): { receipt: Receipt; stored(batch: Promise<void>): void } | undefined {
    const marked = properties && this.#marked.get(properties)
    if (!marked) return undefined
    this.#marked.delete(properties)
    const { key, packetId } = marked
    if (!this.#state.sessions.has(key)) {
      this.#add(key, packetId)
      return undefined
    }
    const id = `${key}\0${packetId}`
    const stored = (batch: Promise<void>) => {
      const done = batch.finally(() => this.#storing.delete(id))
      done.catch(() => {})
      this.#storing.set(id, done)
    }
    return { receipt: this.#receipt(key, packetId), stored }
  }

  async store(key: string, packetId: number): Promise<void> {
    if (await this.find(key, packetId)) return
    if (!this.#state.sessions.has(key)) return this.#add(key, packetId)
    const { write, undo, apply } = this.#receipt(key, packetId)
    await this.#journal.propose({ writes: [write], apply, undo: () => [undo], frees: true })
  }

  /** Released by the sender. */
  delete(key: string, packetId: number): void {
    if (!this.#of(key)?.delete(packetId)) return
    if (this.#state.sessions.has(key)) this.#journal.note({ type: 'del', key: receivedRecordKey(key, packetId) })
  }

  /** The packet ids of a session that ends with its connection. */
  forget(key: string): void {
    this.#passing.delete(key)
  }

  #receipt(key: string, packetId: number): Receipt {
    const record = receivedRecordKey(key, packetId)
    const session = this.#state.sessions.get(key)
    const apply = () => {
      if (session?.gone) this.#journal.note({ type: 'del', key: record })
      else this.#add(key, packetId)
    }
    return { write: { type: 'put', key: record, value: '' }, undo: { type: 'del', key: record }, apply }
  }

  #of(key: string): Set<number> | undefined {
    return this.#state.sessions.get(key)?.received ?? this.#passing.get(key)
  }

  #add(key: string, packetId: number) {
    const session = this.#state.sessions.get(key)
    const ids = this.#of(key) ?? new Set()
    ids.add(packetId)
    if (session) session.received = ids
    else this.#passing.set(key, ids)
  }
}
