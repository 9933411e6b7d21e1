interface Ending {
  /** In whole seconds since the epoch; kept by `Deadlines`. */
  deadline: number | undefined
}

/** What ends at a time, found without looking through all of it. Times are milliseconds since the epoch. */
export class Deadlines<Item extends Ending> {
  readonly #bySecond = new Map<number, Set<Item>>()
  #done: number

  constructor(now: number) {
    this.#done = Math.floor(now / 1_000) - 1
  }

  /** Moves the item to another end, or to none. */
  set(item: Item, at: number | undefined): void {
    if (item.deadline !== undefined) {
      const same = this.#bySecond.get(item.deadline)
      same?.delete(item)
      if (same?.size === 0) this.#bySecond.delete(item.deadline)
    }
    // What should have ended in a second that is done with ends in the next.
    item.deadline = at === undefined ? undefined : Math.max(Math.ceil(at / 1_000), this.#done + 1)
    if (item.deadline === undefined) return
    const same = this.#bySecond.get(item.deadline)
    if (same) same.add(item)
    else this.#bySecond.set(item.deadline, new Set([item]))
  }

  /** Takes out what has ended by now. */
  takeDue(now: number): Item[] {
    const due: Item[] = []
    for (const end = Math.floor(now / 1_000); this.#done < end; ) {
      this.#done += 1
      for (const item of this.#bySecond.get(this.#done) ?? []) {
        item.deadline = undefined
        due.push(item)
      }
      this.#bySecond.delete(this.#done)
    }
    return due
  }
}
