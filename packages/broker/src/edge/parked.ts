/** Those whose address has wasted too many handshakes: they wait for what it is allowed, those of one address in the order in which they came. */
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

  /** The one that has waited longest: whoever comes back the moment it is turned away is behind who came once. */
  take(group: string): Item | undefined {
    const [first] = this.#groups.get(group) ?? []
    if (first) this.delete(first)
    return first
  }

  delete(item: Item): void {
    const same = this.#groups.get(item.group)
    if (!same?.delete(item)) return
    this.#size -= 1
    if (same.size === 0) this.#groups.delete(item.group)
  }
}
