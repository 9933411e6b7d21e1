/** What a policy lets a connection publish. */
export interface RateLimits {
  messagesPerSecond: number
  bytesPerSecond: number
}

const judgeEveryMs = 10_000
const recordEveryMs = 60_000

/**
 * How fast one connection publishes: two buckets that hold a second's worth. A message beyond it is taken, and nothing is
 * read until it has been paid for: TCP tells the client to slow down, and no message is lost.
 */
export class Rate {
  #messages = Number.POSITIVE_INFINITY
  #bytes = Number.POSITIVE_INFINITY
  #at: number
  /** Since when, and for how long of it, it was held back. */
  #since: number
  #heldMs = 0
  #recordedAt = Number.NEGATIVE_INFINITY

  constructor(now: number) {
    this.#at = now
    this.#since = now
  }

  /** Answers for how many milliseconds nothing more is to be read. */
  take(bytes: number, limits: RateLimits, now: number): number {
    const seconds = (now - this.#at) / 1_000
    this.#at = now
    this.#messages = Math.min(limits.messagesPerSecond, this.#messages + seconds * limits.messagesPerSecond) - 1
    this.#bytes = Math.min(limits.bytesPerSecond, this.#bytes + seconds * limits.bytesPerSecond) - bytes
    const owed = Math.max(-this.#messages / limits.messagesPerSecond, -this.#bytes / limits.bytesPerSecond)
    if (!(owed > 0)) return 0
    const waitMs = owed * 1_000
    this.#heldMs += waitMs
    return waitMs
  }

  /** Whether it has been held back for more than half of the last seconds, and that is to be put on record. */
  isNotable(now: number): boolean {
    const elapsed = now - this.#since
    if (elapsed < judgeEveryMs) return false
    const isFar = this.#heldMs > elapsed / 2
    this.#since = now
    this.#heldMs = 0
    if (!isFar || now - this.#recordedAt < recordEveryMs) return false
    this.#recordedAt = now
    return true
  }
}
