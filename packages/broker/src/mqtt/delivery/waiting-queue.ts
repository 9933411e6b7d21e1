import type { Limits } from '../../limits.ts'
import type { FanOut, Send } from './fan-out.ts'
import type { Message } from './message.ts'

type How = Omit<Send, 'version' | 'dup'>

/** QoS 1 and 2 messages for a session that ends with its connection, in order and bounded. */
export class WaitingQueue {
  readonly #limits: Pick<Limits, 'queuedMessages' | 'queuedBytes'>
  readonly #waiting: { fanOut: FanOut; how: How }[] = []
  /** Up to here they were taken. */
  #head = 0
  #bytes = 0

  constructor(limits: Pick<Limits, 'queuedMessages' | 'queuedBytes'>) {
    this.#limits = limits
  }

  get length(): number {
    return this.#waiting.length - this.#head
  }

  /** False when there is no room. */
  add(fanOut: FanOut, how: How): boolean {
    const size = fanOut.message.payload.length
    const { queuedMessages, queuedBytes } = this.#limits
    if (this.length >= queuedMessages || this.#bytes + size > queuedBytes) return false
    this.#waiting.push({ fanOut, how })
    this.#bytes += size
    return true
  }

  take(): { fanOut: FanOut; how: How } | undefined {
    const next = this.#waiting[this.#head]
    if (!next) return undefined
    this.#head++
    this.#bytes -= next.fanOut.message.payload.length
    if (this.#head >= 256 && this.#head * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
    return next
  }

  messages(): Message[] {
    return this.#waiting.slice(this.#head).map(({ fanOut }) => fanOut.message)
  }
}
