/**
 * A bounded number of things, each of an address: whoever brings the most makes room, with their oldest.
 * Every operation takes the same time, however many there are.
 */
export class Crowd<Item extends { group: string }> {
  readonly #groups = new Map<string, Set<Item>>()
  /** Which groups have how many; the longest-standing first. */
  readonly #levels: Set<string>[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(item: Item): void {
    const same = this.#groups.get(item.group) ?? new Set()
    if (same.has(item)) return
    this.#groups.set(item.group, same)
    this.#moveGroup(item.group, same.size, same.size + 1)
    same.add(item)
    this.#size += 1
  }

  delete(item: Item): boolean {
    const same = this.#groups.get(item.group)
    if (!same?.has(item)) return false
    this.#moveGroup(item.group, same.size, same.size - 1)
    same.delete(item)
    if (same.size === 0) this.#groups.delete(item.group)
    this.#size -= 1
    return true
  }

  /** The oldest of the group that has the most. */
  greediest(): Item | undefined {
    const [group] = this.#levels.at(-1) ?? []
    return group === undefined ? undefined : this.oldestOf(group)
  }

  oldestOf(group: string): Item | undefined {
    const [item] = this.#groups.get(group) ?? []
    return item
  }

  items(): Item[] {
    return [...this.#groups.values()].flatMap((same) => [...same])
  }

  countOf(group: string): number {
    return this.#groups.get(group)?.size ?? 0
  }

  #moveGroup(group: string, from: number, to: number): void {
    this.#levels[from]?.delete(group)
    if (to > 0) {
      while (this.#levels.length <= to) this.#levels.push(new Set())
      this.#levels[to]?.add(group)
    }
    while (this.#levels.length > 0 && this.#levels.at(-1)?.size === 0) this.#levels.pop()
  }
}
