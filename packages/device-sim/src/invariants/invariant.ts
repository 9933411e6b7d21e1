import type { Observation } from '../observations.ts'
import type { PlatformView } from '../run/platform-view.ts'

export const invariantNames = [
  'no-bricked-device',
  'one-certificate',
  'stored-once',
  'silent-after-receipt',
  'topics-within-policy',
  'refusals-explained',
  'nothing-left-behind',
] as const
export type InvariantName = (typeof invariantNames)[number]

export interface Violation {
  device?: string
  /** Epoch milliseconds. */
  at: number
  what: string
}

/** Watches a run. It must be able to fail: `checked` says how much there was to judge, and nothing to judge is no success. */
export interface Invariant {
  readonly name: InvariantName
  /** One sentence for people. */
  readonly statement: string
  observe(observation: Observation): void
  /** Asks the platform; called every few seconds while the run is on. */
  look?(platform: PlatformView): Promise<void>
  /** After every device has ended, once. */
  conclude(platform: PlatformView, leftovers: readonly string[]): Promise<void>
  /** After the run has taken back what it had made, where it does; once, and after `conclude`. */
  inspect?(platform: PlatformView): Promise<void>
  verdict(): InvariantVerdict
}

export interface InvariantVerdict {
  name: InvariantName
  statement: string
  held: boolean
  /** How many things were judged. */
  checked: number
  violations: number
  /** The first of them. */
  examples: Violation[]
}
