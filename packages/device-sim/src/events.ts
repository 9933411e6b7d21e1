import type { Counts, Summary } from './statistics.ts'

/** What happens in a fleet; `at` is in epoch milliseconds. The README has the list. */
export type FleetEvent = { at: number } & (
  | { type: 'enrolled'; device: string; ms?: number }
  | { type: 'connected'; device: string; ms?: number }
  | { type: 'published'; device: string; topic: string; ms: number }
  | { type: 'command'; device: string; topic: string }
  | { type: 'closed'; device: string; reasonCode?: number }
  | { type: 'renewed'; device: string; ms: number }
  | { type: 'refused'; device: string; code: string }
  | { type: 'retry'; device: string; code: string; delayMs: number }
  | { type: 'progress'; counts: Counts }
  | { type: 'summary'; summary: Summary }
)

type Untimed<Event> = Event extends unknown ? Omit<Event, 'at'> : never
export type Emit = (event: Untimed<FleetEvent>) => void
