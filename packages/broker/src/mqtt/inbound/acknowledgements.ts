import { generate } from 'mqtt-packet'
import type { Session } from '../../sessions/session.ts'

/** Fixed headers of what answers a PUBLISH or what follows it. */
const headers = { puback: 0x40, pubrec: 0x50, pubcomp: 0x70 }
type Kind = keyof typeof headers

/** An answer that waits for its message, or for those before it. */
export interface Answer {
  kind: 'puback' | 'pubrec'
  messageId: number
  isReady: boolean
  reasonCode: number
  reason: string | undefined
  /** In the place of an answer: the connection ends here. */
  end: (() => void) | undefined
}

/**
 * The answers to one client's PUBLISHes, in the order of these [MQTT-4.6.0-2] [MQTT-4.6.0-3], and those of one turn in one
 * piece.
 */
export class Acknowledgements {
  /** MQTT 5: whether reason strings are welcome. [MQTT-3.1.2-29] */
  saysWhy = false
  readonly #session: Session
  #waiting: Answer[] = []
  #bytes: number[] = []
  #isFlushDue = false

  constructor(session: Session) {
    this.#session = session
  }

  /** For a message that is done with; `settle` comes for what `await` was called for. */
  answer(kind: 'puback' | 'pubrec', messageId: number, reasonCode = 0, reason?: string): void {
    if (this.#waiting.length === 0) this.#write(kind, messageId, reasonCode, reason)
    else this.#waiting.push({ kind, messageId, isReady: true, reasonCode, reason, end: undefined })
  }

  /** Keeps the place of an answer. */
  await(kind: 'puback' | 'pubrec', messageId: number): Answer {
    const answer: Answer = { kind, messageId, isReady: false, reasonCode: 0, reason: undefined, end: undefined }
    this.#waiting.push(answer)
    return answer
  }

  settle(answer: Answer): void {
    answer.isReady = true
    if (this.#waiting[0] === answer) this.#release()
  }

  /** Ends the connection, once everything before has been answered. */
  endInTurn(end: () => void): void {
    if (this.#waiting.length === 0) {
      this.#finish(end)
      return
    }
    this.#waiting.push({ kind: 'puback', messageId: 0, isReady: true, reasonCode: 0, reason: undefined, end })
  }

  /** PUBREL has no order to keep. */
  complete(messageId: number, reasonCode: number): void {
    this.#write('pubcomp', messageId, reasonCode, undefined)
  }

  pong(): void {
    this.#bytes.push(0xd0, 0)
    this.#flushSoon()
  }

  /** Writes what has come together. */
  flush(): void {
    const bytes = this.#bytes
    if (bytes.length === 0) return
    this.#bytes = []
    const session = this.#session
    // Never after the connection was shut out.
    if (!session.removed && !session.socket.destroyed) session.socket.write(Buffer.from(bytes))
  }

  #release(): void {
    let done = 0
    for (const { kind, messageId, isReady, reasonCode, reason, end } of this.#waiting) {
      if (!isReady) break
      done++
      if (end) {
        this.#waiting = []
        this.#finish(end)
        return
      }
      this.#write(kind, messageId, reasonCode, reason)
    }
    this.#waiting.splice(0, done)
  }

  // What was written goes out before the socket is destroyed.
  #finish(end: () => void): void {
    this.flush()
    setImmediate(() => setImmediate(end))
  }

  #write(kind: Kind, messageId: number, reasonCode: number, reason: string | undefined): void {
    if (reasonCode === 0) this.#bytes.push(headers[kind], 2, messageId >> 8, messageId & 0xff)
    else {
      const properties = reason !== undefined && this.saysWhy ? { properties: { reasonString: reason } } : {}
      this.#bytes.push(...generate({ cmd: kind, messageId, reasonCode, ...properties }, { protocolVersion: 5 }))
    }
    this.#flushSoon()
  }

  /** Many messages are stored at once: their answers leave together. */
  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    process.nextTick(() => {
      this.#isFlushDue = false
      this.flush()
    })
  }
}
