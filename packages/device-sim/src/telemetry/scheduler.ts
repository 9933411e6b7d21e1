/** Something that is to be done at a time; may be put in again when it is done. */
export interface Due {
  /** Of `performance.now()`. */
  dueAt: number
  /** Where it is in the heap; -1: nowhere. */
  place: number
  run(): void
}

/** Node takes longer times for none at all. */
const longestMs = 2 ** 30

/** One timer for all that thousands of devices wait for: a heap of what is due. */
export class Scheduler {
  readonly #heap: Due[] = []
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Number.POSITIVE_INFINITY

  get size(): number {
    return this.#heap.length
  }

  after(ms: number, run: () => void): Due {
    const due = { dueAt: performance.now() + ms, place: -1, run }
    this.add(due)
    return due
  }

  add(due: Due): void {
    if (due.place >= 0) this.cancel(due)
    due.place = this.#heap.length
    this.#heap.push(due)
    this.#rise(due.place)
    this.#arm()
  }

  cancel(due: Due | undefined): void {
    if (!due || due.place < 0) return
    const at = due.place
    const last = this.#heap.pop()
    due.place = -1
    if (!last || last === due) return
    this.#put(last, at)
    this.#rise(at)
    this.#sink(last.place)
  }

  /** Forgets everything. */
  clear(): void {
    for (const due of this.#heap.splice(0)) due.place = -1
    clearTimeout(this.#timer)
    this.#wakesAt = Number.POSITIVE_INFINITY
  }

  #arm(): void {
    const next = this.#heap[0]
    if (!next || next.dueAt >= this.#wakesAt) return
    clearTimeout(this.#timer)
    this.#wakesAt = next.dueAt
    this.#timer = setTimeout(() => this.#wake(), Math.min(longestMs, Math.max(0, next.dueAt - performance.now())))
  }

  #wake(): void {
    this.#wakesAt = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (let next = this.#heap[0]; next && next.dueAt <= now; next = this.#heap[0]) {
      this.cancel(next)
      next.run()
    }
    this.#arm()
  }

  #put(due: Due, at: number): void {
    this.#heap[at] = due
    due.place = at
  }

  #rise(from: number): void {
    const due = this.#heap[from]
    if (!due) return
    let at = from
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1]
      if (!parent || parent.dueAt <= due.dueAt) break
      this.#put(parent, at)
      at = (at - 1) >> 1
    }
    this.#put(due, at)
  }

  #sink(from: number): void {
    const due = this.#heap[from]
    if (!due) return
    let at = from
    for (;;) {
      const left = this.#heap[2 * at + 1]
      const right = this.#heap[2 * at + 2]
      const child = right && left && right.dueAt < left.dueAt ? right : left
      if (!child || child.dueAt >= due.dueAt) break
      const place = child.place
      this.#put(child, at)
      at = place
    }
    this.#put(due, at)
  }
}
