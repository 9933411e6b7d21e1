import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'

export interface TelemetryRow {
  fleet: string
  device: string
  topic: string
  payload: Buffer
  qos: number
  /** Milliseconds since the epoch. */
  receivedAt: number
}

export interface TelemetryWriter extends AsyncDisposable {
  /**
   * Resolves when the row is committed; rows of one device are stored in the order they are added.
   * @throws MusterError `unavailable`: not stored as far as is known, or no room to wait
   */
  add(row: TelemetryRow): Promise<void>
}

export interface TelemetryWriterOptions {
  insert(rows: readonly TelemetryRow[]): Promise<void>
  windowMs?: number
  maxRows?: number
  maxQueuedRows?: number
  maxQueuedBytes?: number
  onBatch?: (rows: number, seconds: number) => void
}

interface Batch {
  rows: TelemetryRow[]
  bytes: number
  stored: PromiseWithResolvers<void>
}

/** Inserts under way at once: one is prepared while the other waits for the disk. A device always has the same. */
const laneCount = 2

export function createTelemetryWriter(options: TelemetryWriterOptions): TelemetryWriter {
  const { windowMs = 2, maxRows = 2_000, maxQueuedRows = 50_000, maxQueuedBytes = 64 * 1_048_576 } = options
  const lanes = Array.from({ length: laneCount }, () => createLane({ windowMs, maxRows, store }))
  const held = { rows: 0, bytes: 0 }

  async function store({ rows, bytes, stored }: Batch) {
    const startedAt = performance.now()
    try {
      await options.insert(rows)
      options.onBatch?.(rows.length, (performance.now() - startedAt) / 1_000)
      stored.resolve()
    } catch (cause) {
      stored.reject(new MusterError('unavailable', 'the message cannot be stored now', { cause }))
    }
    held.rows -= rows.length
    held.bytes -= bytes
  }

  return {
    add(row) {
      if (held.rows >= maxQueuedRows || held.bytes >= maxQueuedBytes)
        return Promise.reject(new MusterError('unavailable', 'too many messages wait to be stored'))
      held.rows += 1
      held.bytes += row.payload.length
      const lane = lanes[laneOf(row)] ?? lanes[0]
      return lane ? lane.add(row) : Promise.reject(new MusterError('internal', 'no lane'))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(lanes.map((lane) => lane.idle()))
    },
  }
}

function createLane(options: { windowMs: number; maxRows: number; store(batch: Batch): Promise<void> }) {
  const { windowMs, maxRows, store } = options
  const waiting: Batch[] = []
  let running: Promise<void> | undefined

  async function run() {
    await sleep(windowMs)
    for (let batch = waiting.shift(); batch; batch = waiting.shift()) await store(batch)
    running = undefined
  }

  return {
    add(row: TelemetryRow): Promise<void> {
      let batch = waiting.at(-1)
      if (!batch || batch.rows.length >= maxRows) {
        batch = { rows: [], bytes: 0, stored: Promise.withResolvers<void>() }
        waiting.push(batch)
      }
      batch.rows.push(row)
      batch.bytes += row.payload.length
      running ??= run()
      return batch.stored.promise
    },
    async idle() {
      while (running) await running
    },
  }
}

function laneOf({ fleet, device }: TelemetryRow): number {
  let sum = fleet.length
  for (let index = 0; index < device.length; index++) sum = (sum * 31 + device.charCodeAt(index)) % 65_521
  return sum % laneCount
}
