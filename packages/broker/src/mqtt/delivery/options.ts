import type { Limits } from '../../limits.ts'
import type { Observer } from '../../observer.ts'
import type { QueueStore } from './message.ts'

/** What the delivery to one client goes by. */
export interface DeliveryOptions {
  store: QueueStore
  limits: Limits
  observer: Pick<Observer, 'dropped' | 'failed' | 'delivered'>
  /** Messages that the client lets be under way at once, and its largest packet. */
  receiveMaximum: number
  maximumPacketSize: number | undefined
  /** Topic aliases that the client takes. */
  topicAliasMaximum: number
  /** The session outlives its connection: what it gets at QoS 1 and 2 comes from its queue in the store. */
  isStored: boolean
  /** Identifiers of QoS 0 subscriptions to a topic, of which the queue knows nothing. */
  otherIdentifiers(topic: string): readonly number[]
}
