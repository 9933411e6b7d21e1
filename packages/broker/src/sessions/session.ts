import type { Duplex } from 'node:stream'
import { type CompiledPolicy, compilePolicy, Policy, renewalTopics, sessionKey } from '@muster/contracts'
import type { Peer } from '../admission/peer.ts'
import type { Opening } from '../mqtt/read-connect.ts'

/** Of a policy. */
export type QueueBounds = Pick<CompiledPolicy['limits'], 'queuedMessages' | 'queuedBytes'>

/** A node that is said to hold a device's connection, and since when it does, in milliseconds since the epoch by that node's clock. */
export interface Place {
  node: string
  since: number | null
}

/** How a connection is ended, and when nothing of it is left. */
export interface Transport {
  end(reasonCode: number, reason: string): void
  settled(): Promise<void>
  /** Ends subscriptions of the connection, and of the session that is kept; the client is not told. */
  unsubscribe(filters: string[]): Promise<void>
  /** New bounds for what is queued for it; where absent, those of the node. */
  boundQueue(bounds: QueueBounds): void
  /** A message of the platform's own, at QoS 1, subscribed to or not. */
  send(topic: string, payload: string): void
  /** Asks for a sign of life: `session.answered` is called when one comes. */
  ask(): void
}

/** Of a connection that is not served yet. */
class BareTransport implements Transport {
  readonly #socket: Duplex

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  end(): void {
    this.#socket.destroy()
  }
  async settled(): Promise<void> {}
  async unsubscribe(): Promise<void> {}
  boundQueue(): void {}
  send(): void {}
  ask(): void {}
}

const nobody = { fleet: '-', group: '-', device: '-', profile: 'device' as const, serial: '-' }
const nothing = compilePolicy(Policy.parse({ name: 'nothing', allow: [], limits: { subscriptions: 0 } }), nobody)

/** One connection of a device, from before its admission is looked up until nothing of it is left. */
export class Session {
  readonly key: string
  readonly peer: Peer
  readonly socket: Duplex
  readonly renewalTopics: { request: string; response: string }
  /** The remote address without its port. */
  readonly address: string
  /** Allows nothing until the connection is admitted. */
  policy: CompiledPolicy = nothing
  isAdmitted = false
  /** What the registry was asked for the admission may be older than a change of policy: to be asked again. */
  isOutdated = false
  /** Shut out: nothing of this connection counts any more, its will included. */
  removed = false
  /** Its certificate has expired: it is here to renew it, and nothing of the connection is kept. */
  isLate = false
  transport: Transport
  /** What the connection began with, once it has been admitted. */
  opening: Opening | undefined
  /** Filters that were granted. */
  readonly filters = new Set<string>()
  /** Since when it has unanswered messages that are not kept here, in milliseconds since the epoch. */
  owesSince: number | undefined
  /** When it was let in, in milliseconds since the epoch. */
  connectedAt: number | undefined
  /** Where the registry said that the device is, and what is settled with that node: this connection is the one that stays. */
  settled: Place | undefined
  /** Another with its certificate was alive when it came: the other nodes should know at once where the device is. */
  isDisputed = false
  /** The MQTT 5 reason code with which this side has ended the connection. */
  endedWith: number | undefined
  /** When a packet last came, in milliseconds since the epoch. */
  lastPacketAt = 0
  /** Called with each answer to `transport.ask()`. */
  answered = () => {}
  /** That is being asked at the moment. */
  question: Promise<boolean> | undefined
  /** The client id to tell a client that gave none. */
  assignedClientId: string | undefined

  constructor(peer: Peer, socket: Duplex, address: string) {
    this.key = sessionKey(peer.identity)
    this.peer = peer
    this.renewalTopics = renewalTopics(peer.identity)
    this.socket = socket
    this.address = address
    this.transport = new BareTransport(socket)
  }

  /** What aedes knows it by. What is kept for the device is not to be had, nor lost, while it is late. */
  get clientId(): string {
    return this.isLate ? `${this.key}?late` : this.key
  }

  get isDevice(): boolean {
    return this.peer.identity.profile === 'device'
  }
}
