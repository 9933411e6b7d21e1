/** Those who wait, in classes: a better class first, and within one class the addresses take turns. */
export class TurnQueue<Item extends { group: string }> {
  readonly #classes: Map<string, Set<Item>>[]
  #size = 0

  constructor(classes: number) {
    this.#classes = Array.from({ length: classes }, () => new Map())
  }

  get size(): number {
    return this.#size
  }

  push(item: Item, rank: number): void {
    const turns = this.#classes[rank]
    if (!turns) throw new Error(`no class ${rank}`)
    const same = turns.get(item.group) ?? new Set()
    turns.set(item.group, same.add(item))
    this.#size += 1
  }

  /** The next of a class not worse than `worstRank`. */
  take(worstRank = this.#classes.length - 1): Item | undefined {
    for (const turns of this.#classes.slice(0, worstRank + 1)) {
      const [turn] = turns
      if (!turn) continue
      const [group, same] = turn
      const [item] = same
      turns.delete(group)
      if (!item) continue
      same.delete(item)
      if (same.size > 0) turns.set(group, same)
      this.#size -= 1
      return item
    }
    return undefined
  }

  delete(item: Item): void {
    for (const turns of this.#classes) {
      const same = turns.get(item.group)
      if (!same?.delete(item)) continue
      this.#size -= 1
      if (same.size === 0) turns.delete(item.group)
    }
  }
}
