import { setImmediate as nextTurn } from 'node:timers/promises'
import { matchesFilter } from '@muster/contracts'
import type { Aedes, Client } from 'aedes'
import type { Limits } from '../../limits.ts'
import type { Observer } from '../../observer.ts'
import { innerFilter } from '../../sessions/grant-filter.ts'
import type { Session } from '../../sessions/session.ts'
import { Delivery } from './delivery.ts'
import { type Distribution, openDistribution } from './distribute.ts'
import { FanOut } from './fan-out.ts'
import type { Match, Message, Qos, QueueStore, Subscription } from './message.ts'
import { Outlet } from './outlet.ts'
import { passOnQueued } from './pass-on.ts'
import type { Reports } from './report.ts'
import { SharedGroups } from './shared-groups.ts'
import { openWatch } from './watch.ts'

export interface DeliveriesOptions {
  broker: Aedes
  store: QueueStore
  limits: Limits
  observer: Pick<Observer, 'dropped' | 'failed' | 'delivered' | 'cutOff'>
  reports: Pick<Reports, 'latest'>
}

/** Everything that goes out of this node. */
export interface Deliveries extends Disposable {
  attach(client: Client, session: Session): Outlet
  /** PUBACK, PUBREC or PUBCOMP of a client. Answers what is wrong with it, if something is. */
  acknowledge(client: Client, packet: { cmd: string; messageId?: number; reasonCode?: number }): string | undefined
}

/** As aedes hands it over; without a broker id it is a retained one, for the subscriptions that come with it. */
type Delivered = Omit<Message, 'payload' | 'brokerId'> & {
  payload: string | Buffer
  brokerId: string | null
  subscriptions?: Subscription[]
}

/** What is used of aedes' client beyond its types. */
interface Internals {
  id: string
  clean: boolean
  subscriptions: Record<string, Omit<Subscription, 'topic' | 'subscriptionIdentifier'> & { si?: number }>
  receiveMaximum: number
  maximumPacketSize: number | undefined
  topicAliasMaximum?: number
}

interface Hooks {
  deliver0(this: Internals, packet: Delivered, done: () => void): void
  deliverQoS(this: Internals, packet: Delivered, done: () => void): void
  waitForDrain(this: Internals, done: (error: Error | null, client: unknown) => void): void
  forward(this: Internals, message: Message, subscription: Subscription): void
  openDelivery(this: Internals): void
}

/** Of one client of aedes; found by it, so that no function has to be made for each. */
interface Attached {
  outlet: Outlet
  delivery: Delivery | undefined
}
type Find = (client: object) => Attached | undefined

export function openDeliveries(options: DeliveriesOptions): Deliveries {
  const { broker, store, observer, limits } = options
  const attached = new WeakMap<object, Attached>()
  const bySocket = new WeakMap<object, Attached>()
  const distribution = openDistribution(broker)
  const counted = broker as Aedes & { counter: number }
  const groups = new SharedGroups({
    emitter: broker as never,
    store,
    count: () => ++counted.counter,
    onError: observer.failed,
  })
  for (const { clientId, qos, ...subscription } of store.sharedSubscriptions())
    groups.join(clientId, undefined, { ...subscription, qos: qos as Qos })
  const watch = openWatch(limits, observer)
  const hooks = createClientHooks(options, attached, distribution, groups)
  function onDrain(this: object) {
    const one = bySocket.get(this)
    if (one) one.outlet.stuckSince = 0
    one?.delivery?.proceed()
  }

  keepGroups(options, (client) => attached.get(client), groups)
  // Whoever found nothing to be had is told by nobody else.
  store.onRecovered(() => {
    proceedAll(watch.outlets(), (client) => attached.get(client)).catch(observer.failed)
  })

  return {
    attach(client, session) {
      const outlet = new Outlet(client, session, limits)
      const one: Attached = { outlet, delivery: undefined }
      attached.set(client, one)
      bySocket.set(session.socket, one)
      session.socket.on('drain', onDrain)
      Object.assign(client, hooks)
      watch.add(outlet)
      return outlet
    },

    acknowledge(client, { cmd, messageId = 0, reasonCode = 0 }) {
      const delivery = attached.get(client)?.delivery
      return delivery?.acknowledge(cmd as 'puback', messageId, reasonCode)
    },

    [Symbol.dispose]: () => watch[Symbol.dispose](),
  }
}

/** So many in one turn. */
const slice = 1_000

async function proceedAll(outlets: Iterable<Outlet>, find: Find): Promise<void> {
  let done = 0
  for (const { client } of outlets) {
    find(client)?.delivery?.proceed()
    done += 1
    if (done % slice === 0) await nextTurn()
  }
}

/** The functions that take the place of aedes' own with every client. */
function createClientHooks(
  { broker, store, limits, observer }: DeliveriesOptions,
  attached: WeakMap<object, Attached>,
  distribution: Distribution,
  groups: SharedGroups,
): Hooks {
  return {
    deliver0: deliver,
    deliverQoS: deliver,

    // Nobody who has aedes write to a client waits for that client to read.
    waitForDrain(done) {
      setImmediate(done, null, this)
    },

    forward(message, subscription) {
      const delivery = attached.get(this)?.delivery
      if (delivery) distribution.collect(delivery, this.id, message, subscription)
    },

    openDelivery() {
      const one = attached.get(this)
      if (!one) return
      const { receiveMaximum, maximumPacketSize, clean } = this
      one.delivery = new Delivery(one.outlet, {
        ...{ store, limits, observer, receiveMaximum, maximumPacketSize },
        isStored: !clean,
        topicAliasMaximum: this.topicAliasMaximum ?? 0,
        otherIdentifiers: (topic) => identifiersAtQos0(this.subscriptions, topic),
      })
      for (const topic of Object.keys(this.subscriptions)) joinGroup(groups, this, one.delivery, topic)
      one.delivery.open()
    },
  }

  /** The platform's own messages, and retained ones on their way to a new subscription. */
  function deliver(this: Internals, packet: Delivered, done: () => void) {
    const delivery = attached.get(this)?.delivery
    if (!delivery) return void setImmediate(done)
    const message = toMessage(packet, broker.id)
    if (packet.brokerId !== null) {
      delivery.offer(new FanOut(message), { qos: packet.qos, retainAsPublished: false, identifiers: [] })
      return void setImmediate(done)
    }
    delivery
      .retained(message, matchOfRetained(packet))
      .catch(observer.failed)
      .finally(() => setImmediate(done))
  }
}

function toMessage(packet: Delivered, brokerId: string): Message {
  const { topic, payload, qos, retain, properties, brokerCounter } = packet
  const seconds = properties?.messageExpiryInterval
  const messageExpiry = packet.messageExpiry ?? (seconds === undefined ? undefined : Date.now() + seconds * 1_000)
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload)
  return { cmd: 'publish', topic, payload: bytes, qos, retain, properties, messageExpiry, brokerId, brokerCounter }
}

function matchOfRetained({ topic, properties, subscriptions = [] }: Delivered): Match {
  const granted = subscriptions.filter(({ qos, topic: filter }) => qos <= 2 && matchesFilter(filter, topic))
  const qos = Math.max(0, ...granted.map((subscription) => subscription.qos)) as Qos
  return { qos, retainAsPublished: true, identifiers: [properties?.subscriptionIdentifier ?? []].flat() }
}

function identifiersAtQos0(subscriptions: Internals['subscriptions'], topic: string): number[] {
  const found: number[] = []
  for (const filter in subscriptions) {
    const { qos, si } = subscriptions[filter] ?? {}
    if (qos === 0 && si !== undefined && matchesFilter(filter, topic)) found.push(si)
  }
  return found
}

function joinGroup(groups: SharedGroups, client: Internals, delivery: Delivery, topic: string): void {
  const held = client.subscriptions[topic]
  if (!held || !innerFilter(topic)) return
  const { si, ...subscription } = held
  groups.join(client.id, delivery, { ...subscription, topic, subscriptionIdentifier: si })
}

/** Members of shared subscriptions come and go as aedes tells of clients. */
function keepGroups({ broker, store, observer, reports }: DeliveriesOptions, find: Find, groups: SharedGroups): void {
  broker.on('subscribe', (subscriptions, client) => {
    const delivery = find(client)?.delivery
    if (!delivery) return
    for (const { topic, qos } of subscriptions) {
      joinGroup(groups, client as unknown as Internals, delivery, topic)
      if (qos <= 2 && topic.startsWith('$SYS/')) tellLatest(delivery, topic, reports)
    }
  })
  broker.on('unsubscribe', (filters, client) => {
    for (const filter of filters) if (innerFilter(filter)) groups.leave(client.id, filter)
  })
  broker.on('clientDisconnect', (client) => {
    const delivery = find(client)?.delivery
    if (!delivery) return
    const unacknowledged = delivery.close()
    if (client.clean) {
      groups.leaveAll(client.id)
      groups.passOn(unacknowledged).catch(observer.failed)
    } else {
      groups.rest(client.id, delivery)
      passOnQueued(client.id, store, groups).catch(observer.failed)
    }
  })
}

/** As of retained messages, the latest report is the first that a new subscription gets. */
function tellLatest(delivery: Delivery, filter: string, reports: Pick<Reports, 'latest'>): void {
  const fresh = reports.latest().filter(({ topic }) => matchesFilter(filter, topic))
  for (const message of fresh) delivery.offer(new FanOut(message), { qos: 0, retainAsPublished: true, identifiers: [] })
}
