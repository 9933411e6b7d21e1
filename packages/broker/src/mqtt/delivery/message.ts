import type { IPublishPacket } from 'mqtt-packet'

/** Of a PUBLISH, as it was decoded; user properties in order where the decoder keeps it. */
export type Properties = Omit<NonNullable<IPublishPacket['properties']>, 'userProperties'> & {
  userProperties?: readonly (readonly [string, string])[] | Readonly<Record<string, string | readonly string[]>>
}

export type Qos = 0 | 1 | 2

/** A publication on its way to subscribers. */
export interface Message {
  readonly cmd: 'publish'
  readonly topic: string
  readonly payload: Buffer
  readonly qos: Qos
  readonly retain: boolean
  readonly properties?: Properties | undefined
  /** In milliseconds since the epoch. */
  readonly messageExpiry?: number | undefined
  /** These two tell one publication from another. */
  readonly brokerId: string
  readonly brokerCounter: number
  /** The session key of who published it; of one that was given to a member of a shared subscription, that filter. */
  readonly clientId?: string
}

/** What is in the queue of a session that is kept, ready to be sent; `pubrel`: the second half of a QoS 2 message. */
export type Queued = Omit<Message, 'cmd' | 'payload' | 'properties'> & {
  readonly cmd: string
  readonly payload: Buffer | string
  readonly properties?: Record<string, unknown> | undefined
  readonly cursor: number
  readonly messageId?: number | undefined
  readonly dup: boolean
}

export function messageOf({
  topic,
  payload,
  qos,
  retain,
  properties,
  messageExpiry,
  clientId,
  ...name
}: Queued): Message {
  const { brokerId, brokerCounter } = name
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload)
  const known = { properties: properties as Properties | undefined, messageExpiry, brokerId, brokerCounter }
  return { cmd: 'publish', topic, payload: bytes, qos, retain, ...known, ...(clientId !== undefined && { clientId }) }
}

export interface Subscription {
  topic: string
  qos: Qos
  /** Retain handling, retain as published, no local. */
  rh?: number | undefined
  rap?: boolean | undefined
  nl?: boolean | undefined
  subscriptionIdentifier?: number | undefined
}

/** How one subscriber gets a message: what all of its matching subscriptions make together. [MQTT-3.3.4-2] [MQTT-3.3.4-4] */
export interface Match {
  qos: Qos
  retainAsPublished: boolean
  identifiers: readonly number[]
}

export interface Holder {
  id: string
}

/** What a message in a queue is known by: its packet id, or, before it has one, the publication it carries. */
export interface QueuedName {
  cmd?: string
  brokerCounter?: number | undefined
  messageId?: number | undefined
}

/** The part of the session store that delivery uses. */
export interface QueueStore {
  /** Called when queues that could not be read can be read again. */
  onRecovered(listener: () => void): void
  queued(key: string, after: number, count: number): Queued[]
  outgoingEnqueue(subscription: { clientId: string }, message: Outgoing): Promise<void>
  outgoingUpdate(client: Holder, name: QueuedName): Promise<void>
  outgoingClearMessageId(client: Holder, name: QueuedName): Promise<unknown>
  hasSession(key: string): boolean
  /** Of all sessions that are kept, those subscriptions of which the store itself makes nothing. */
  sharedSubscriptions(): Iterable<Omit<Subscription, 'qos'> & { qos: number; clientId: string }>
}

export type Outgoing = Omit<Message, 'properties'> & { dup: boolean; properties?: Record<string, unknown> | undefined }
