import type { Message } from './messages.ts'
import { isExpired } from './packet.ts'
import { type QueuedRecord, type QueuedState, states } from './records.ts'

/** A publication in the queue of one session. */
export interface Entry {
  readonly seq: number
  readonly message: Message
  readonly qos: 1 | 2
  readonly retain: boolean
  /** Of the subscriptions that it matches. */
  readonly identifiers: number[] | undefined
  packetId: number | undefined
  state: QueuedState
}

/** The messages for one session that it has not acknowledged, in order. */
export class Queue {
  readonly #byMessage = new Map<number, Entry>()
  /** Of those that were sent: most queues have none. */
  #byPacketId: Map<number, Entry> | undefined
  #bytes = 0

  get size(): number {
    return this.#byMessage.size
  }

  get bytes(): number {
    return this.#bytes
  }

  entries(): MapIterator<Entry> {
    return this.#byMessage.values()
  }

  add(entry: Entry): void {
    this.#byMessage.set(entry.message.id, entry)
    if (entry.packetId !== undefined) this.#setPacketId(entry, entry.packetId)
    this.#bytes += entry.message.bytes
  }

  has(messageId: number): boolean {
    return this.#byMessage.has(messageId)
  }

  findMessage(id: number): Entry | undefined {
    return this.#byMessage.get(id)
  }

  findPacketId(packetId: number): Entry | undefined {
    return this.#byPacketId?.get(packetId)
  }

  /** The message is sent with this packet id. */
  assign(entry: Entry, packetId: number): void {
    this.#clearPacketId(entry)
    entry.packetId = packetId
    entry.state = states.sent
    this.#setPacketId(entry, packetId)
  }

  remove(entry: Entry): boolean {
    if (!this.#byMessage.delete(entry.message.id)) return false
    this.#clearPacketId(entry)
    this.#bytes -= entry.message.bytes
    return true
  }

  #setPacketId(entry: Entry, packetId: number) {
    this.#byPacketId ??= new Map()
    this.#byPacketId.set(packetId, entry)
  }

  #clearPacketId(entry: Entry) {
    const { packetId } = entry
    if (packetId === undefined || this.#byPacketId?.get(packetId) !== entry) return
    this.#byPacketId.delete(packetId)
    if (this.#byPacketId.size === 0) this.#byPacketId = undefined
  }

  /** What has expired before it was ever sent. */
  findExpired(now: number): Entry[] {
    return [...this.entries()].filter(
      ({ state, message }) => state === states.queued && isExpired(message.expiresAt, now),
    )
  }
}

export function recordOf({ message, qos, retain, identifiers, packetId, state }: Entry): QueuedRecord {
  return {
    message: message.id,
    bytes: message.bytes,
    expiresAt: message.expiresAt,
    qos,
    retain,
    identifiers,
    packetId,
    state,
  }
}
