import type { Voice } from '../faults/actor.ts'
import type { Message } from './message.ts'

/** A connection that the broker has admitted, as a device uses it. */
export interface Link {
  /** Serial of the certificate that was presented. */
  readonly serial: string
  readonly unacknowledged: number
  publish(message: Message): void
  /** Says goodbye, and ends. */
  leave(): void
  /** Ends without a word. */
  cut(): void
  voice(): Voice
}
