import type { Write } from './journal.ts'
import type { Level } from './open-level.ts'
import type { Body } from './packet.ts'
import { decodeBody, messageRecordKey } from './records.ts'

/** A publication that stands in queues, however many. */
export interface Message {
  readonly id: number
  readonly bytes: number
  readonly expiresAt: number | undefined
  /** How many queues hold it. */
  holders: number
  /** Absent where it is to be read from disk. */
  body: Body | undefined
}

/** Bodies of queued publications: on disk once each, in memory as long as there is room for them. */
export class Messages {
  readonly #level: Level
  readonly #memoryBytes: number
  readonly #byId = new Map<number, Message>()
  /** In the order in which they came. */
  readonly #inMemory = new Set<Message>()
  #heldBytes = 0
  /** Of bodies that were deleted since the last look. */
  deletedBytes = 0

  constructor(level: Level, memoryBytes: number) {
    this.#level = level
    this.#memoryBytes = memoryBytes
  }

  get count(): number {
    return this.#byId.size
  }

  find(id: number): Message | undefined {
    return this.#byId.get(id)
  }

  /** Of a body that is on disk already, or is written together with what holds it. */
  add(id: number, known: { bytes: number; expiresAt: number | undefined; body: Body | undefined }): Message {
    const message: Message = { id, holders: 0, ...known }
    this.#byId.set(id, message)
    return message
  }

  hold(message: Message, queues = 1): void {
    const isNew = message.holders === 0
    message.holders += queues
    if (!isNew || !message.body) return
    this.#inMemory.add(message)
    this.#heldBytes += message.bytes
    for (const oldest of this.#inMemory) {
      if (this.#heldBytes <= this.#memoryBytes) break
      this.#evict(oldest)
      oldest.body = undefined
    }
  }

  /** Answers what is to be written when nobody holds it any more. */
  release(message: Message): Write[] {
    message.holders -= 1
    if (message.holders > 0) return []
    this.#byId.delete(message.id)
    this.#evict(message)
    this.deletedBytes += message.bytes
    return [{ type: 'del', key: messageRecordKey(message.id) }]
  }

  /** Nobody took it. */
  discard(message: Message): void {
    this.#byId.delete(message.id)
  }

  /** `undefined` when it is not to be had. */
  read(message: Message): Body | undefined {
    if (message.body) return message.body
    const key = messageRecordKey(message.id)
    const bytes = this.#level.getSync<string, Buffer>(key, { valueEncoding: 'buffer' })
    return bytes && decodeBody(key, bytes)
  }

  #evict(message: Message) {
    if (this.#inMemory.delete(message)) this.#heldBytes -= message.bytes
  }
}
