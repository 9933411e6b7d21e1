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
  readonly #byPacketId = new Map<number, Entry>()
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
    if (entry.packetId !== undefined) this.#byPacketId.set(entry.packetId, entry)
    this.#bytes += entry.message.bytes
  }

  has(messageId: number): boolean {
    return this.#byMessage.has(messageId)
  }

  findMessage(id: number): Entry | undefined {
    return this.#byMessage.get(id)
  }

  findPacketId(packetId: number): Entry | undefined {
    return this.#byPacketId.get(packetId)
  }

  /** The message is sent with this packet id. */
  assign(entry: Entry, packetId: number): void {
    if (entry.packetId !== undefined && this.#byPacketId.get(entry.packetId) === entry)
      this.#byPacketId.delete(entry.packetId)
    entry.packetId = packetId
    entry.state = states.sent
    this.#byPacketId.set(packetId, entry)
  }

  remove(entry: Entry): boolean {
    if (!this.#byMessage.delete(entry.message.id)) return false
    if (entry.packetId !== undefined && this.#byPacketId.get(entry.packetId) === entry)
      this.#byPacketId.delete(entry.packetId)
    this.#bytes -= entry.message.bytes
    return true
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
