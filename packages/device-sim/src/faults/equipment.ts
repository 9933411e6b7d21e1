import type { DeviceStore, Dial } from '@muster/device'
import type { Observation } from '../observations.ts'
import type { Step } from '../scenario/fault.ts'
import type { Actor } from './actor.ts'

/** An observation without whose it is and when it was. */
export type Seen = Observation extends infer One
  ? One extends Observation
    ? Omit<One, 'device' | 'at'>
    : never
  : never

export type Doing = Extract<Observation, { saw: 'refused' }>['doing']

export interface EquipContext {
  /** Of the scenario. */
  seed: number
  observe(seen: Seen): void
  /** The power goes now, for so long: what the device is doing ends, and it boots again after that. */
  cut(offMs: number): void
  /** The end of the device's part in the run. */
  signal: AbortSignal
}

/** What a device is, beside its software: memory, clock and network, with whatever is wrong with them. */
export interface Equipment {
  /** Each time the power comes on, the first included. */
  boot(): void
  /** Of this boot; what a store of an earlier one is asked for fails. */
  readonly store: DeviceStore
  /** Undefined: an ordinary connection will do. */
  readonly dial: Dial | undefined
  /** Epoch milliseconds; undefined: the time of the machine. */
  readonly now: (() => number) | undefined
  /** Something is done that the power may go after. @throws PowerCut */
  step(step: Step): void
  /** The end is near: its connections are not cut any more. */
  calm(): void
  /** Whether a fault of this device explains that it hears this. */
  expects(doing: Doing, code: string): boolean
  /** Who makes trouble in its name, and from when on. */
  readonly actors: readonly { at: 'boot' | 'connected'; act: Actor }[]
}
