import type { Subscription } from './kept-session.ts'

interface Node {
  children: Map<string, Node> | undefined
  /** Of filters that end here. */
  here: Set<Subscription> | undefined
}

const isShared = (filter: string) => filter.startsWith('$share/')

/**
 * Which subscriptions a topic matches. Nearly all filters are a topic, or a topic followed by `/#`: one map holds those, and a
 * topic asks it as many questions as it has levels. Only those with a `+` need a tree.
 */
export class SubscriptionIndex {
  readonly #plain = new Map<string, Subscription | Set<Subscription>>()
  readonly #tree: Node = { children: undefined, here: undefined }
  #withPlus = 0

  /** Shared subscriptions are not matched here: whoever shares a message out decides which session gets it. */
  add(subscription: Subscription): void {
    const { topic } = subscription
    if (subscription.qos === 0 || isShared(topic)) return
    if (hasPlus(topic)) {
      this.#withPlus += 1
      const node = this.#walk(topic)
      node.here ??= new Set()
      node.here.add(subscription)
      return
    }
    const same = this.#plain.get(topic)
    if (same instanceof Set) same.add(subscription)
    else this.#plain.set(topic, same ? new Set([same, subscription]) : subscription)
  }

  remove(subscription: Subscription): void {
    const { topic } = subscription
    if (subscription.qos === 0 || isShared(topic)) return
    if (hasPlus(topic)) {
      if (this.#prune(this.#tree, topic.split('/'), 0, subscription)) this.#withPlus -= 1
      return
    }
    const same = this.#plain.get(topic)
    if (same === subscription) this.#plain.delete(topic)
    else if (same instanceof Set) {
      same.delete(subscription)
      if (same.size === 0) this.#plain.delete(topic)
    }
  }

  match(topic: string): Subscription[] {
    const found: Subscription[] = []
    this.#each(topic, (same) => {
      if (same instanceof Set) for (const one of same) found.push(one)
      else found.push(same)
      return false
    })
    return found
  }

  matches(topic: string): boolean {
    return this.#each(topic, () => true)
  }

  /** `true` as soon as `visit` says so. */
  #each(topic: string, visit: (same: Subscription | Set<Subscription>) => boolean): boolean {
    const ask = (filter: string) => {
      const same = this.#plain.get(filter)
      return same !== undefined && visit(same)
    }
    if (this.#plain.size > 0) {
      if (ask(topic)) return true
      // [MQTT-4.7.1-2] `a/#` is `a` as well; [MQTT-4.7.2-1] `#` is no topic that begins with $.
      if (topic.charCodeAt(0) !== 36 && ask('#')) return true
      if (ask(`${topic}/#`)) return true
      for (let end = topic.indexOf('/'); end >= 0; end = topic.indexOf('/', end + 1))
        if (ask(`${topic.slice(0, end)}/#`)) return true
    }
    return this.#withPlus > 0 && this.#eachBelow(this.#tree, topic.split('/'), 0, visit)
  }

  #eachBelow(node: Node, levels: string[], depth: number, visit: (same: Set<Subscription>) => boolean): boolean {
    const { children } = node
    const level = levels[depth]
    const wild = depth > 0 || !levels[0]?.startsWith('$')
    if (level === undefined) {
      if (node.here && visit(node.here)) return true
      const rest = children?.get('#')
      return rest?.here !== undefined && visit(rest.here)
    }
    if (!children) return false
    const rest = wild ? children.get('#') : undefined
    if (rest?.here && visit(rest.here)) return true
    const exact = children.get(level)
    if (exact && this.#eachBelow(exact, levels, depth + 1, visit)) return true
    const any = wild ? children.get('+') : undefined
    return any !== undefined && this.#eachBelow(any, levels, depth + 1, visit)
  }

  #walk(filter: string): Node {
    let node = this.#tree
    for (const level of filter.split('/')) {
      node.children ??= new Map()
      let child = node.children.get(level)
      if (!child) {
        child = { children: undefined, here: undefined }
        node.children.set(level, child)
      }
      node = child
    }
    return node
  }

  #prune(node: Node, levels: string[], depth: number, subscription: Subscription): boolean {
    const level = levels[depth]
    if (level === undefined) {
      const removed = node.here?.delete(subscription) ?? false
      if (node.here?.size === 0) node.here = undefined
      return removed
    }
    const child = node.children?.get(level)
    if (!child || !this.#prune(child, levels, depth + 1, subscription)) return false
    if (!child.here && !child.children?.size) node.children?.delete(level)
    return true
  }
}

const hasPlus = (filter: string) => filter.includes('+')
