/** Numbers that mostly follow one another: what is kept is one pair for each gap. */
export class Ranges {
  /** Ascending, with a gap between each two. */
  readonly #pairs: [from: number, to: number][] = []

  /** @returns how many of them were new */
  add(from: number, to = from): number {
    const first = this.#find(from - 1)
    let last = first
    let [low, high, known] = [from, to, 0]
    for (let pair = this.#pairs[last]; pair && pair[0] <= to + 1; pair = this.#pairs[++last]) {
      known += Math.max(0, Math.min(to, pair[1]) - Math.max(from, pair[0]) + 1)
      low = Math.min(low, pair[0])
      high = Math.max(high, pair[1])
    }
    this.#pairs.splice(first, last - first, [low, high])
    return to - from + 1 - known
  }

  has(number: number): boolean {
    const pair = this.#pairs[this.#find(number)]
    return pair !== undefined && pair[0] <= number
  }

  get count(): number {
    return this.#pairs.reduce((sum, [from, to]) => sum + to - from + 1, 0)
  }

  get last(): number {
    return this.#pairs.at(-1)?.[1] ?? 0
  }

  /** Those that `other` has not. */
  without(other: Ranges): Ranges {
    const left = new Ranges()
    for (const [from, to] of this.#pairs) {
      let next = from
      for (let index = other.#find(from); index < other.#pairs.length && next <= to; index += 1) {
        const [low, high] = other.#pairs[index] as [number, number]
        if (low > to) break
        if (low > next) left.add(next, low - 1)
        next = Math.max(next, high + 1)
      }
      if (next <= to) left.add(next, to)
    }
    return left
  }

  /** `1-4, 7`, of many only the first. */
  toString(): string {
    const shown = this.#pairs.slice(0, 5).map(([from, to]) => (from === to ? String(from) : `${from}-${to}`))
    return shown.join(', ') + (this.#pairs.length > shown.length ? ', …' : '')
  }

  /** Index of the first pair that does not end before `number`. */
  #find(number: number): number {
    let [low, high] = [0, this.#pairs.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#pairs[middle] as [number, number])[1] < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
