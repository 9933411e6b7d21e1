import type { Assignment } from '../worker/messages.ts'
import type { Platform } from './context.ts'
import type { InvariantWatch } from './watch-invariants.ts'

/** Where a scenario is played: Muster, or any MQTT broker. */
export interface Stage extends AsyncDisposable {
  url: string
  /** Undefined where it is not Muster. */
  platform: Platform | undefined
  invariants: InvariantWatch
  /** Makes what devices need. @returns what the worker of the devices `from` up to, not including, `to` is told of it */
  equip(): Promise<(from: number, to: number) => Pick<Assignment, 'fleet' | 'url' | 'claims' | 'ready'>>
  /** Takes back what the run has made, where it is not to stay. @returns whether it has */
  takeBack(): Promise<boolean>
  /** Lines about what has not gone well. */
  problems(): string[]
  /** Lines about what is not played, or not judged, there. */
  skipped: readonly string[]
}
