import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Limits } from '../../limits.ts'
import { type Body, isExpired, sizeOf } from './packet.ts'

export interface Retained {
  readonly body: Body
  readonly bytes: number
  deadline: number | undefined
}

interface Node {
  children: Map<string, Node> | undefined
  retained: Retained | undefined
}

/** So many topics are looked at before others have their turn. */
const slice = 256
const maxLevels = 100

/** Retained messages by topic, bounded for each fleet. */
export class RetainedMessages {
  readonly #limits: Pick<Limits, 'retainedMessages' | 'retainedBytes'>
  readonly #byTopic = new Map<string, Retained>()
  readonly #root: Node = { children: undefined, retained: undefined }
  readonly #used = new Map<string, { messages: number; bytes: number }>()
  #bytes = 0

  constructor(limits: Pick<Limits, 'retainedMessages' | 'retainedBytes'>) {
    this.#limits = limits
  }

  get count(): number {
    return this.#byTopic.size
  }

  get bytes(): number {
    return this.#bytes
  }

  find(topic: string): Retained | undefined {
    return this.#byTopic.get(topic)
  }

  /** Why there is no room for it, if there is none. */
  refuse(body: Body): string | undefined {
    const { retainedMessages, retainedBytes } = this.#limits
    if (body.topic.split('/', maxLevels + 1).length > maxLevels) return `${maxLevels} levels at most`
    const used = this.#used.get(fleetOf(body.topic)) ?? { messages: 0, bytes: 0 }
    const before = this.#byTopic.get(body.topic)
    if (!before && used.messages >= retainedMessages) return `${retainedMessages} retained messages a fleet at most`
    if (used.bytes - (before?.bytes ?? 0) + sizeOf(body) > retainedBytes)
      return `${retainedBytes} bytes of retained messages a fleet at most`
    return undefined
  }

  set(body: Body): Retained {
    this.delete(body.topic)
    const retained: Retained = { body, bytes: sizeOf(body), deadline: undefined }
    this.#byTopic.set(body.topic, retained)
    this.#count(body.topic, 1, retained.bytes)
    let node = this.#root
    for (const level of body.topic.split('/')) {
      node.children ??= new Map()
      let child = node.children.get(level)
      if (!child) {
        child = { children: undefined, retained: undefined }
        node.children.set(level, child)
      }
      node = child
    }
    node.retained = retained
    return retained
  }

  delete(topic: string): Retained | undefined {
    const retained = this.#byTopic.get(topic)
    if (!retained) return undefined
    this.#byTopic.delete(topic)
    this.#count(topic, -1, -retained.bytes)
    prune(this.#root, topic)
    return retained
  }

  /** Lets others have their turn: filters may match all there is. */
  async *match(filters: readonly string[], now: () => number): AsyncGenerator<Body> {
    let looked = 0
    for (const filter of filters) {
      for (const retained of this.#candidates(filter)) {
        if (++looked % slice === 0) await nextTurn()
        if (
          retained &&
          this.#byTopic.get(retained.body.topic) === retained &&
          !isExpired(retained.body.messageExpiry, now())
        )
          yield retained.body
      }
    }
  }

  #candidates(filter: string): Iterable<Retained | undefined> {
    if (filter.includes('+') || filter.endsWith('#')) return walk(this.#root, filter.split('/'), 0)
    return [this.#byTopic.get(filter)]
  }

  #count(topic: string, messages: number, bytes: number) {
    const fleet = fleetOf(topic)
    const used = this.#used.get(fleet) ?? { messages: 0, bytes: 0 }
    used.messages += messages
    used.bytes += bytes
    this.#bytes += bytes
    if (used.messages > 0) this.#used.set(fleet, used)
    else this.#used.delete(fleet)
  }
}

/** Every topic below `fleets/<fleet>/` is that fleet's; all others share one quota. */
function fleetOf(topic: string): string {
  return topic.startsWith('fleets/') ? (topic.split('/', 2)[1] ?? '') : ''
}

/** Yields `undefined` for a node without a message, so that looking takes turns as well as finding. */
function* walk(node: Node, levels: string[], depth: number): Generator<Retained | undefined> {
  const level = levels[depth]
  if (level === undefined) return yield node.retained
  if (level === '#') return yield* walkAll(node, depth)
  if (!node.children) return
  if (level !== '+') {
    const child = node.children.get(level)
    if (child) yield* walk(child, levels, depth + 1)
    return
  }
  for (const [name, child] of node.children) {
    yield undefined
    if (depth > 0 || !name.startsWith('$')) yield* walk(child, levels, depth + 1)
  }
}

function* walkAll(node: Node, depth: number): Generator<Retained | undefined> {
  yield node.retained
  // [MQTT-4.7.2-1]
  for (const [name, child] of node.children ?? [])
    if (depth > 0 || !name.startsWith('$')) yield* walkAll(child, depth + 1)
}

function prune(root: Node, topic: string): void {
  const levels = topic.split('/')
  const path: Node[] = [root]
  for (const level of levels) {
    const child = path.at(-1)?.children?.get(level)
    if (!child) return
    path.push(child)
  }
  const last = path.at(-1)
  if (last) last.retained = undefined
  for (let depth = levels.length; depth > 0; depth--) {
    const node = path[depth]
    if (node?.retained || node?.children?.size) return
    path[depth - 1]?.children?.delete(levels[depth - 1] ?? '')
  }
}
