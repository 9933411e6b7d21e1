import type { ChildProcess } from 'node:child_process'
import type { Cli } from '../settings.ts'
import type { Screen } from './screen.ts'

/** What every part of `muster up` works with. */
export interface UpContext {
  cli: Cli
  data: string
  screen: Screen
  /** Aborted when it is time to stop. */
  signal: AbortSignal
  /** Those that are running, for the one who cannot wait. */
  children: Set<ChildProcess>
}
