import { decodeFrame, encodeFrame, mostParts, packMessage, unpackMessage } from './frame.ts'

interface ChannelOptions {
  /** Resolves when the broker has it. */
  publish(payload: Buffer): Promise<void>
  /** In order, each once. A throw breaks the channel. */
  onMessage(message: unknown): void
  /** Once; nothing comes or goes any more. */
  onBroken(why: string): void
  timing?: Partial<Timing>
}

interface Timing {
  /** Without news for so long, what was not confirmed is sent again. */
  repeatMs: number
  /** A sign of life. */
  beatMs: number
  /** Silence that long is the end. */
  silenceMs: number
}

const usual: Timing = { repeatMs: 3_000, beatMs: 5_000, silenceMs: 45_000 }
/** Frames on their way: 1 MiB, which is what a policy lets through in a second. */
const window = 16
const nothing = Buffer.alloc(0)

/**
 * Messages between two that hear each other over MQTT. QoS 1 may repeat, a connection that breaks may lose: frames are
 * numbered, confirmed, and sent again from the first that is missing.
 */
export class Channel implements Disposable {
  readonly #options: ChannelOptions
  readonly #timing: Timing
  readonly #timer: NodeJS.Timeout
  /** Sent and not confirmed, then not sent. */
  readonly #queue: { seq: number; more: boolean; part: Buffer }[] = []
  /** Of a message that is not complete yet. */
  #parts: Buffer[] = []
  #numbered = 0
  #sent = 0
  #confirmed = 0
  #received = 0
  /** Publications that the broker does not have yet. */
  #underWay = 0
  #isOpen = true
  #heardAt = performance.now()
  #progressAt = performance.now()
  #beatAt = performance.now()
  #flushed: (() => void)[] = []

  constructor(options: ChannelOptions) {
    this.#options = options
    this.#timing = { ...usual, ...options.timing }
    const { repeatMs, beatMs } = this.#timing
    this.#timer = setInterval(() => this.#beat(), Math.min(repeatMs, beatMs) / 2)
  }

  send(message: unknown): void {
    if (!this.#isOpen) return
    const packed = packMessage(message)
    for (const [at, part] of packed.entries()) {
      this.#numbered += 1
      this.#queue.push({ seq: this.#numbered, more: at < packed.length - 1, part })
    }
    this.#advance()
  }

  /** What has come from the other side. */
  receive(payload: Buffer): void {
    if (!this.#isOpen) return
    this.#heardAt = performance.now()
    try {
      const { seq, ack, more, part } = decodeFrame(payload)
      this.#confirm(ack)
      if (seq > 0) this.#take(seq, more, part)
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error))
    }
  }

  /** Resolves when everything sent is confirmed, or the channel is broken. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isOpen && this.#queue.length > 0) this.#flushed.push(resolve)
      else resolve()
    })
  }

  [Symbol.dispose](): void {
    this.#isOpen = false
    clearInterval(this.#timer)
    this.#tellFlushed()
  }

  #transmit(seq: number, more: boolean, part: Buffer): void {
    this.#underWay += 1
    this.#beatAt = performance.now()
    // While the broker is away nothing is repeated: the client keeps it, and sends it when it is back.
    const settle = () => {
      this.#underWay -= 1
    }
    this.#options.publish(encodeFrame({ seq, ack: this.#received, more, part })).then(settle, settle)
  }

  #advance(): void {
    for (const { seq, more, part } of this.#queue) {
      if (seq > this.#confirmed + window) return
      if (seq <= this.#sent) continue
      if (this.#sent === this.#confirmed) this.#progressAt = performance.now()
      this.#sent = seq
      this.#transmit(seq, more, part)
    }
  }

  #confirm(ack: number): void {
    if (ack <= this.#confirmed || ack > this.#sent) return
    this.#confirmed = ack
    this.#progressAt = performance.now()
    while (this.#queue[0] && this.#queue[0].seq <= ack) this.#queue.shift()
    this.#advance()
    if (this.#queue.length === 0) this.#tellFlushed()
  }

  #tellFlushed(): void {
    for (const resolve of this.#flushed.splice(0)) resolve()
  }

  #beat(): void {
    const now = performance.now()
    const { repeatMs, beatMs, silenceMs } = this.#timing
    if (now - this.#heardAt > silenceMs) this.#fail(`has not been heard of for ${Math.round(silenceMs / 1_000)} s`)
    if (!this.#isOpen) return
    if (this.#sent > this.#confirmed && this.#underWay === 0 && now - this.#progressAt > repeatMs) {
      this.#progressAt = now
      this.#sent = this.#confirmed
      this.#advance()
    }
    if (now - this.#beatAt > beatMs) this.#transmit(0, false, nothing)
  }

  #take(seq: number, more: boolean, part: Buffer): void {
    // One that was there before is confirmed again; after a gap the sender begins again where it is.
    if (seq === this.#received + 1) {
      this.#received = seq
      this.#parts.push(part)
      if (this.#parts.length > mostParts) throw new RangeError('sends a message that is too long')
      if (!more) this.#options.onMessage(unpackMessage(this.#parts.splice(0)))
    }
    if (this.#isOpen) this.#transmit(0, false, nothing)
  }

  #fail(why: string): void {
    if (!this.#isOpen) return
    this[Symbol.dispose]()
    this.#options.onBroken(why)
  }
}
