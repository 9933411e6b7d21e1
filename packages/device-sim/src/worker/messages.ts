import type { LatencyBuckets } from '../measure/latency.ts'
import type { LatencyName, Observation } from '../observations.ts'

/** What every worker is told once. Devices `from` up to, not including, `to` are its own. */
export interface Assignment {
  /** Names the run: distinguishes its devices, topics and records from those of other runs. */
  run: string
  /** The scenario as it is written (YAML), at the size it is played. */
  scenario: string
  from: number
  to: number
  /** First part of the names of the devices. */
  prefix: string
  fleet: string
  /** The provisioner, `https://host:8443`. */
  url: string
  /** By class; or by device where each has its own. Secrets: never logged. */
  claims: Record<string, string>
  /** Where the devices need not enrol, because their certificates are there: any broker behind mutual TLS. */
  ready?: ReadyBroker
}

export interface ReadyBroker {
  /** `mqtts://host:port` */
  url: string
  /** PEM: whom devices trust. */
  ca: string
  /** Has `<client id>.key` and `<client id>.crt` (with its chain), PEM. */
  directory: string
}

/** From the coordinator to a worker. */
export type Order =
  | { order: 'assign'; assignment: Assignment }
  /** Play phase `index` of the scenario; `in`: milliseconds until its zero. */
  | { order: 'phase'; index: number; in: number }
  /** The operator has done something to these devices: what follows is expected. */
  | { order: 'told'; what: 'revoked' | 'suspended' | 'resumed'; devices: string[] }
  /** No more messages; what is in flight is waited for, every device says how it is, and all connections are closed. */
  | { order: 'finish' }
  | { order: 'stop' }

/** From a worker to the coordinator. */
export type Report =
  | { report: 'ready'; pid: number; host: string /** Before there is any device. */; rssBytes: number }
  | { report: 'phase-done'; index: number }
  | ({ report: 'tick' } & Tick)
  | { report: 'observed'; observations: Observation[] }
  /** Sockets, timers and files that are still there although every device has ended. */
  | { report: 'finished'; leftovers: string[] }
  | { report: 'failed'; error: string }

export interface Counts {
  started: number
  enrolled: number
  /** At this moment. */
  connected: number
  connections: number
  resumed: number
  published: number
  acknowledged: number
  received: number
  commands: number
  renewals: number
  /** Measured and not sent, because the device was offline. */
  skipped: number
}

export const noCounts: Readonly<Counts> = {
  ...{ started: 0, enrolled: 0, connected: 0, connections: 0, resumed: 0, published: 0, acknowledged: 0 },
  ...{ received: 0, commands: 0, renewals: 0, skipped: 0 },
}

/** Every second. */
export interface Tick {
  at: number
  /** Totals since the start. */
  counts: Counts
  /** Since the last tick. */
  latencies: Partial<Record<LatencyName, LatencyBuckets>>
  /** Totals by `<doing>:<code>`. */
  reasons: Record<string, number>
  /** The part of each that a fault of the scenario, or what the operator did, explains. */
  expected: Record<string, number>
  usage: { cpuMs: number; rssBytes: number; heapBytes: number }
}
