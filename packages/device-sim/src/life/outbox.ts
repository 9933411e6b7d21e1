import type { Connection } from '../client/connection.ts'
import { encodeAnswer, encodePublish } from '../client/encode.ts'
import type { Answer } from '../client/read-answer.ts'
import { packetTypes } from '../client/read-packets.ts'
import type { Message } from './message.ts'

const lastId = 32_767

/** What a device has sent and nobody has acknowledged: it outlives the connection, not the power. */
export class Outbox {
  #waiting: Map<number, Message> | undefined
  #lastId = 0

  get size(): number {
    return this.#waiting?.size ?? 0
  }

  send(message: Message, connection: Connection): void {
    const messageId = message.qos === 0 ? 0 : this.#keep(message)
    connection.send(encodePublish({ ...message, version: connection.version, messageId, dup: false }))
  }

  /** [MQTT-4.4.0-1] [MQTT-3.3.1-1] In the order of the first time. Answers the messages that may have come before. */
  sendAgain(connection: Connection): Message[] {
    const again: Message[] = []
    for (const [messageId, message] of this.#waiting ?? []) {
      if (message.released) {
        connection.send(encodeAnswer('pubrel', messageId))
        continue
      }
      again.push(message)
      connection.send(encodePublish({ ...message, version: connection.version, messageId, dup: true }))
    }
    return again
  }

  /** Answers the message that is done with, if this was the end of one. */
  answered(connection: Connection, type: number, messageId: number, { reasonCode }: Answer): Message | undefined {
    const message = this.#waiting?.get(messageId)
    if (!message) return undefined
    if (type === packetTypes.pubrec && reasonCode < 0x80) {
      message.released = true
      connection.send(encodeAnswer('pubrel', messageId))
      return undefined
    }
    this.#waiting?.delete(messageId)
    if (this.size === 0) this.#waiting = undefined
    return message
  }

  clear(): void {
    this.#waiting = undefined
  }

  #keep(message: Message): number {
    this.#waiting ??= new Map()
    do this.#lastId = this.#lastId === lastId ? 1 : this.#lastId + 1
    while (this.#waiting.has(this.#lastId))
    this.#waiting.set(this.#lastId, message)
    return this.#lastId
  }
}
