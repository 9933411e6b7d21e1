import type { Credentials } from '@muster/device'
import type { DevicePlan } from '../plan/device-plan.ts'
import type { Doing, Seen } from './equipment.ts'

/** The device's own connection to the broker: a second one in its name would end the first. */
export interface Voice {
  version: 4 | 5
  /** Answers the reason code of the acknowledgement, 0xff where the connection ended before. */
  publish(topic: string, payload: Buffer, qos: 0 | 1): Promise<number>
  /** Answers what was granted, 0xff where the connection ended before. */
  subscribe(filter: string, qos: 0 | 1): Promise<number>
  /** Bytes as they are. */
  write(bytes: Buffer): void
  /** Reads nothing until `resume`. */
  pause(): void
  resume(): void
  /** The reason code of the DISCONNECT, if there was one. */
  closed: Promise<number | undefined>
}

export interface ActorContext {
  plan: DevicePlan
  run: string
  /** A secret. */
  claim: string
  /** The provisioner. */
  url: string
  credentials(): Promise<Credentials>
  broker: { host: string; port: number }
  observe(seen: Seen): void
  /** Counts a reason. */
  note(doing: Doing, code: string, expected: boolean): void
  /** The device has been refused for good. */
  refused: Promise<void>
  /** Undefined while it is not connected. */
  voice(): Voice | undefined
  signal: AbortSignal
}

/** Plays its part, and is over at the latest when the signal says so; never throws for what it meets. */
export type Actor = (context: ActorContext) => Promise<void>
