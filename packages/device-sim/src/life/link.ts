import type { MqttClient } from 'mqtt'
import type { Voice } from '../faults/actor.ts'
import type { Message } from './message.ts'

/** A connection that the broker has admitted, as a device uses it. */
export interface Link {
  /** Serial of the certificate that was presented. */
  readonly serial: string
  readonly resumed: boolean
  /** From the first packet to CONNACK; undefined where nobody has looked. */
  readonly tookMs: number | undefined
  readonly sessionPresent: boolean
  readonly unacknowledged: number
  publish(message: Message): void
  /** Sends what the connection before has left unacknowledged. Answers what may have come twice by that. */
  sendAgain(): Message[]
  subscribe(filters: readonly string[]): Promise<number>
  /** Says goodbye, and ends. */
  leave(): void
  /** Ends without a word. */
  cut(): void
  voice(): Voice
  /** Of a client that comes back by itself: for it not being connected is no reason to open another. */
  readonly returning?: Returning
  /** The SDK's own: what it renews by where the provisioner cannot be reached, in place of a connection that would end this one. */
  readonly client?: MqttClient
}

export interface Returning {
  /** Comes back now, with what the store holds. */
  hurry(): void
  /** Breaks, and comes back when it may. */
  interrupt(): void
}
