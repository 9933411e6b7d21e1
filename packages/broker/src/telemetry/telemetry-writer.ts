import { MusterError } from '@muster/contracts'
import type { Transport } from '../sessions/session.ts'
import { createLane, type Held } from './lane.ts'

export interface TelemetryRow {
  fleet: string
  device: string
  topic: string
  payload: Buffer
  qos: number
  /** It may be the same as one that is stored: its sender says so, or it was not known whether it was stored. */
  duplicate?: boolean
  /** Milliseconds since the epoch. */
  receivedAt: number
  /** QoS 1: with the connection gone before it is stored, it is given up, because it will be sent again. */
  sender?: Sender
}

/** The connection it came on. */
export interface Sender {
  socket: { destroyed: boolean }
  transport: Pick<Transport, 'end'>
}

export interface TelemetryWriter extends AsyncDisposable {
  /**
   * Resolves when the row is committed; rows of one device are stored in the order they are added. While the database is away
   * it waits, but for QoS 0.
   * @throws MusterError `unavailable`: not stored as far as is known, or no room to wait; `publish-denied`: never to be stored
   */
  add(row: TelemetryRow): Promise<void>
  /** Whether rows wait for a database that is away. */
  isBlocked(): boolean
  isFull(): boolean
  waiting(): { rows: number; bytes: number }
  /** Whose rows wait, and since when the oldest of each does, in milliseconds since the epoch. */
  senders(): Map<Sender, number>
}

export interface TelemetryWriterOptions {
  insert(rows: readonly TelemetryRow[]): Promise<void>
  /** Whether it is worth trying. */
  isHere?(): boolean
  windowMs?: number
  retryMs?: number
  maxRows?: number
  maxQueuedRows?: number
  maxQueuedBytes?: number
  onBatch?: ((rows: number, seconds: number) => void) | undefined
  /** A batch could not be stored, and is tried again. */
  onRetry?: ((error: unknown) => void) | undefined
}

/** Inserts under way at once: one is prepared while the other waits for the disk. A device always has the same. */
const laneCount = 2

export function createTelemetryWriter(options: TelemetryWriterOptions): TelemetryWriter {
  const { maxQueuedRows = 50_000, maxQueuedBytes = 64 * 1_048_576, isHere = () => true } = options
  const { windowMs = 2, retryMs = 250, maxRows = 2_000, insert, onBatch, onRetry } = options
  const lane = () => createLane({ insert, isHere, windowMs, retryMs, maxRows, onBatch, onRetry, onSettled: release })
  const lanes = Array.from({ length: laneCount }, lane)
  const held = { rows: 0, bytes: 0 }

  function release({ row }: Held) {
    held.rows -= 1
    held.bytes -= row.payload.length
  }
  const isFull = () => held.rows >= maxQueuedRows || held.bytes >= maxQueuedBytes
  const isBlocked = () => !isHere() || lanes.some((one) => one.isBlocked())

  return {
    add(row) {
      if (isFull() || (row.qos === 0 && isBlocked()))
        return Promise.reject(new MusterError('unavailable', 'no room for the message to wait until it is stored'))
      const own = lanes[laneOf(row)]
      if (!own) return Promise.reject(new MusterError('internal', 'no lane'))
      held.rows += 1
      held.bytes += row.payload.length
      return new Promise((resolve, reject) => own.add({ row, resolve, reject }))
    },
    isBlocked,
    isFull,
    waiting: () => ({ ...held }),
    senders() {
      const senders = new Map<Sender, number>()
      for (const lane of lanes)
        for (const { row } of lane.list())
          if (row.sender) senders.set(row.sender, Math.min(row.receivedAt, senders.get(row.sender) ?? row.receivedAt))
      return senders
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(lanes.map((one) => one[Symbol.asyncDispose]()))
    },
  }
}

function laneOf({ fleet, device }: TelemetryRow): number {
  let sum = fleet.length
  for (let index = 0; index < device.length; index++) sum = (sum * 31 + device.charCodeAt(index)) % 65_521
  return sum % laneCount
}
