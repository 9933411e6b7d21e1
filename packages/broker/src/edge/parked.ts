/** Those whose address has wasted too many handshakes: they wait for what it is allowed, in no order that anybody could make use of. */
export class Parked<Item extends { group: string }> {
  readonly #groups = new Map<string, Set<Item>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get groups(): IterableIterator<string> {
    return this.#groups.keys()
  }

  countOf(group: string): number {
    return this.#groups.get(group)?.size ?? 0
  }

  has(item: Item): boolean {
    return this.#groups.get(item.group)?.has(item) ?? false
  }

  add(item: Item): void {
    const same = this.#groups.get(item.group) ?? new Set()
    this.#groups.set(item.group, same.add(item))
    this.#size += 1
  }

  /** Whoever comes back the moment it is turned away has no better chance than who came once. */
  take(group: string): Item | undefined {
    const same = this.#groups.get(group)
    if (!same) return undefined
    let left = Math.floor(Math.random() * same.size)
    for (const item of same) {
      if (left-- > 0) continue
      this.delete(item)
      return item
    }
    return undefined
  }

  delete(item: Item): void {
    const same = this.#groups.get(item.group)
    if (!same?.delete(item)) return
    this.#size -= 1
    if (same.size === 0) this.#groups.delete(item.group)
  }
}
