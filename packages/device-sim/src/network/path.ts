import { packetBytes, type Schedule } from './schedule.ts'

/** As much as TCP would have under way, or wait to be read. */
const windowBytes = 128 * 1_024

export interface PathEnds {
  /** Answers whether there is room for more; if not, `resume` says when there is. */
  deliver(chunk: Buffer): boolean
  /** After the last chunk. */
  end(): void
  /** There is room again after `push` had said no. */
  onRoom(): void
}

/** One direction of a line: chunks come out in order, each at its time. */
export class Path {
  readonly #schedule: Schedule
  readonly #ends: PathEnds
  #queue: { chunk: Buffer | undefined; at: number }[] = []
  #queuedBytes = 0
  #isFull = false
  #isHeld = false
  #timer: NodeJS.Timeout | undefined

  constructor(schedule: Schedule, ends: PathEnds) {
    this.#schedule = schedule
    this.#ends = ends
  }

  /** Answers whether there is room for more. */
  push(chunk: Buffer): boolean {
    for (let from = 0; from < chunk.length; from += packetBytes) {
      const packet = chunk.subarray(from, from + packetBytes)
      this.#queue.push({ chunk: packet, at: this.#schedule(performance.now(), packet.length).arrivesAt })
    }
    this.#queuedBytes += chunk.length
    this.#isFull = this.#queuedBytes >= windowBytes
    this.#wait()
    return !this.#isFull
  }

  end(): void {
    this.#queue.push({ chunk: undefined, at: this.#schedule(performance.now(), 0).arrivesAt })
    this.#wait()
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /** The receiver has room again. */
  resume(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#wait()
  }

  /** What is under way never arrives. */
  discard(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#queue = []
    this.#queuedBytes = 0
    this.#isHeld = true
  }

  #wait(): void {
    const [next] = this.#queue
    if (!next || this.#timer || this.#isHeld) return
    this.#timer = setTimeout(() => this.#arrive(), Math.max(0, next.at - performance.now()))
  }

  #arrive(): void {
    this.#timer = undefined
    const now = performance.now()
    const due: Buffer[] = []
    let isOver = false
    let count = 0
    for (const { chunk, at } of this.#queue) {
      // A timer may be early by a fraction of a millisecond.
      if (at > now + 0.5) break
      count += 1
      if (chunk) due.push(chunk)
      else isOver = true
    }
    this.#queue.splice(0, count)
    const arrived = due.length === 1 ? due[0] : Buffer.concat(due)
    if (arrived && arrived.length > 0) {
      this.#queuedBytes -= arrived.length
      this.#isHeld = !this.#ends.deliver(arrived)
    }
    if (isOver) this.#ends.end()
    if (this.#isFull && this.#queuedBytes < windowBytes) {
      this.#isFull = false
      this.#ends.onRoom()
    }
    this.#wait()
  }
}
