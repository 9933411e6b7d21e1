/** A packet that has begun to come, and must come to its end: bytes keep a client awake, and so would one byte a minute. */
export class Unfinished {
  readonly #longestMs: number
  readonly #onOverdue: () => void
  #since: number | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(longestMs: number, onOverdue: () => void) {
    this.#longestMs = longestMs
    this.#onOverdue = onOverdue
  }

  /** More of it is waited for. */
  wait(): void {
    this.#since ??= performance.now()
    // Left to run when the packet is there: clients that send much have a part of one in most of their reads.
    this.#timer ??= setTimeout(() => this.#look(), this.#longestMs)
  }

  /** It is there as a whole, or it is not the client that lets it wait. */
  end(): void {
    this.#since = undefined
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#since = undefined
  }

  #look(): void {
    this.#timer = undefined
    if (this.#since === undefined) return
    const leftMs = this.#since + this.#longestMs - performance.now()
    if (leftMs <= 0) this.#onOverdue()
    else this.#timer = setTimeout(() => this.#look(), leftMs)
  }
}
