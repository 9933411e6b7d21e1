import { innerFilter } from '../../sessions/grant-filter.ts'
import type { Delivery } from './delivery.ts'
import { matchOf } from './fan-out.ts'
import type { Message, Outgoing, Qos, QueueStore, Subscription } from './message.ts'

interface Member {
  key: string
  /** `undefined` while its session is kept and it is away. */
  delivery: Delivery | undefined
  subscription: Subscription
}

interface Group {
  /** As it was subscribed to: `$share/<name>/<filter>`. */
  filter: string
  members: Map<string, Member>
  turn: number
  listener: Listener
}

type Listener = (message: Message, done: () => void) => void

/** What carries messages to listeners: aedes' broker. */
export interface Emitter {
  subscribe(filter: string, listener: Listener, done: () => void): void
  unsubscribe(filter: string, listener: Listener, done: () => void): void
}

export interface SharedGroupsOptions {
  emitter: Emitter
  store: QueueStore
  /** A number that no other message has. */
  count(): number
  onError(error: unknown): void
}

export const isShared = ({ clientId }: Message) => clientId?.startsWith('$share/') === true

/** The shared subscriptions of this node: of each message one member of each group gets it. [MQTT-4.8.2-3] */
export class SharedGroups {
  readonly #groups = new Map<string, Group>()
  /** By session key: what it is a member of. */
  readonly #memberships = new Map<string, Set<string>>()
  readonly #options: SharedGroupsOptions

  constructor(options: SharedGroupsOptions) {
    this.#options = options
  }

  /** Without a delivery it is a member that is away. */
  join(key: string, delivery: Delivery | undefined, subscription: Subscription): void {
    const { topic: filter } = subscription
    const inner = innerFilter(filter)
    if (!inner) return
    let group = this.#groups.get(filter)
    if (!group) {
      const members = new Map<string, Member>()
      const listener: Listener = (message, done) => {
        // Before the publisher is answered the queue of a member that is kept holds the message; nobody waits for its client.
        this.#give(filter, message).catch(this.#options.onError).finally(done)
      }
      group = { filter, members, turn: 0, listener }
      this.#groups.set(filter, group)
      this.#options.emitter.subscribe(inner, listener, () => {})
    }
    group.members.set(key, { key, delivery, subscription })
    const memberships = this.#memberships.get(key) ?? new Set()
    this.#memberships.set(key, memberships.add(filter))
  }

  leave(key: string, filter: string): void {
    const memberships = this.#memberships.get(key)
    memberships?.delete(filter)
    if (memberships?.size === 0) this.#memberships.delete(key)
    const group = this.#groups.get(filter)
    if (!group?.members.delete(key) || group.members.size > 0) return
    this.#groups.delete(filter)
    this.#options.emitter.unsubscribe(innerFilter(filter) ?? '', group.listener, () => {})
  }

  /** The session has ended. */
  leaveAll(key: string): void {
    for (const filter of [...(this.#memberships.get(key) ?? [])]) this.leave(key, filter)
  }

  /** The connection is gone and its session is kept. */
  rest(key: string, delivery: Delivery): void {
    for (const filter of this.#memberships.get(key) ?? []) {
      const member = this.#groups.get(filter)?.members.get(key)
      if (member?.delivery === delivery) member.delivery = undefined
    }
  }

  /** Whether another than this member could have its messages now. */
  hasOthers(key: string, filter: string): boolean {
    const members = [...(this.#groups.get(filter)?.members.values() ?? [])]
    return members.some((member) => member.key !== key && member.delivery !== undefined)
  }

  /** Messages that a member has not acknowledged and does not keep go to another. */
  async passOn(messages: readonly Message[]): Promise<void> {
    for (const message of messages) await this.#give(message.clientId ?? '', message)
  }

  async #give(filter: string, message: Message): Promise<void> {
    const group = this.#groups.get(filter)
    const member = group && choose(group)
    if (!member) return
    // Its session has expired, or was purged, since it was here.
    if (!member.delivery && !this.#options.store.hasSession(member.key)) {
      this.leaveAll(member.key)
      return this.#give(filter, message)
    }
    const { delivery, subscription } = member
    // In the queue of a session that has a subscription of its own to the topic it is a message beside that one's.
    const shared: Message = { ...message, clientId: filter, brokerCounter: this.#options.count() }
    const match = matchOf(subscription)
    const retain = match.retainAsPublished && message.retain
    if (delivery) return delivery.offerDirect(shared, match, retain)
    const qos = Math.min(message.qos, match.qos) as Qos
    if (qos > 0)
      await this.#options.store.outgoingEnqueue({ clientId: member.key }, toQueue({ ...shared, qos, retain }))
  }
}

function toQueue({ properties, ...message }: Message): Outgoing {
  return { ...message, dup: false, ...(properties && { properties: { ...properties } }) }
}

/**
 * Of those that are connected the one with the least under way, in turn; only when none is, one whose session waits for it.
 */
function choose(group: Group): Member | undefined {
  const members = [...group.members.values()]
  const first = group.turn++ % Math.max(1, members.length)
  const inTurn = [...members.slice(first), ...members.slice(0, first)]
  const connected = inTurn.filter(({ delivery }) => delivery !== undefined)
  const able = connected.filter(({ delivery }) => delivery?.hasRoom())
  return leastBusy(able) ?? leastBusy(connected) ?? inTurn[0]
}

function leastBusy(members: readonly Member[]): Member | undefined {
  let least: Member | undefined
  for (const member of members) if (!least || loadOf(member) < loadOf(least)) least = member
  return least
}

const loadOf = ({ delivery }: Member) => delivery?.load ?? 0
