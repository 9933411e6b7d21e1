import type { FleetCounts, Summary } from './summary.ts'

/** What happens in a fleet; `at` is in epoch milliseconds. The README has the list. */
export type FleetEvent = { at: number } & (
  | { type: 'enrolled' | 'connected' | 'published'; device: string }
  | { type: 'closed'; device: string; reasonCode?: number }
  | { type: 'renewed'; device: string; ms: number }
  | { type: 'refused'; device: string; code: string }
  | { type: 'progress'; counts: FleetCounts }
  | { type: 'summary'; summary: Summary }
)

type Untimed<Event> = Event extends unknown ? Omit<Event, 'at'> : never
export type Emit = (event: Untimed<FleetEvent>) => void
