import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import { blamesRows, isDataRefused, mayHaveCommitted } from '@muster/db'
import type { TelemetryRow, TelemetryWriterOptions } from './telemetry-writer.ts'

export interface Held {
  row: TelemetryRow
  resolve(): void
  reject(error: MusterError): void
  isSettled?: boolean
}

export interface LaneOptions
  extends Required<Pick<TelemetryWriterOptions, 'insert' | 'isHere' | 'windowMs' | 'retryMs' | 'maxRows'>>,
    Pick<TelemetryWriterOptions, 'onBatch' | 'onRetry'> {
  onSettled(held: Held): void
}

export interface Lane extends AsyncDisposable {
  add(held: Held): void
  isBlocked(): boolean
  /** Everything that is not stored yet. */
  list(): readonly Held[]
}

/** One INSERT after the other. What cannot be stored now is kept and tried again, before anything that came later. */
export function createLane(options: LaneOptions): Lane {
  const { insert, isHere, windowMs, retryMs, maxRows, onBatch, onRetry, onSettled } = options
  const waiting: Held[] = []
  let running: Promise<void> | undefined
  const stopped = new AbortController()
  let current: readonly Held[] = []
  let isBlocked = false
  let isClosing = false

  function settle(batch: readonly Held[], error?: MusterError) {
    for (const held of batch) {
      held.isSettled = true
      onSettled(held)
      if (error) held.reject(error)
      else held.resolve()
    }
  }

  const refusal = (cause?: unknown) => new MusterError('unavailable', 'the message cannot be stored now', { cause })

  /** Answers what went wrong, when that is for the rows to bear. */
  async function attempt(batch: readonly Held[]): Promise<unknown> {
    const startedAt = performance.now()
    try {
      await insert(batch.map(({ row }) => row))
    } catch (error) {
      if (!blamesRows(error)) throw error
      return error
    }
    onBatch?.(batch.length, (performance.now() - startedAt) / 1_000)
    settle(batch)
    return undefined
  }

  /** One row that the database does not take must not keep the others out: halves are tried until it is alone. */
  async function storeOrSplit(batch: readonly Held[]): Promise<void> {
    const error = await attempt(batch)
    if (error === undefined) return
    if (batch.length === 1) {
      const never = new MusterError('publish-denied', 'the database does not take this message', { cause: error })
      settle(batch, isDataRefused(error) ? never : refusal(error))
      return
    }
    const middle = batch.length >> 1
    await storeOrSplit(batch.slice(0, middle))
    await storeOrSplit(batch.slice(middle))
  }

  async function store(first: readonly Held[]) {
    for (let batch = first; batch.length > 0; ) {
      current = batch
      if (isHere() && !(isBlocked && isClosing)) {
        try {
          await storeOrSplit(batch)
          break
        } catch (error) {
          onRetry?.(error)
          if (mayHaveCommitted(error)) markDuplicates(batch)
        }
        batch = batch.filter(({ isSettled }) => !isSettled)
      }
      isBlocked = true
      batch = giveUpSome(batch)
      if (batch.length > 0) await sleep(retryMs, undefined, { signal: stopped.signal }).catch(() => {})
    }
    current = []
    isBlocked = false
  }

  function markDuplicates(batch: readonly Held[]) {
    for (const held of batch) if (!held.isSettled) held.row = { ...held.row, duplicate: true }
  }

  /** Nobody waits for QoS 0; what its sender is going to send again would be stored twice. */
  function giveUpSome(batch: readonly Held[]): readonly Held[] {
    const isLost = ({ row }: Held) => isClosing || row.qos === 0 || (row.qos === 1 && row.sender?.socket.destroyed)
    settle(batch.filter(isLost), refusal())
    return batch.filter((held) => !isLost(held))
  }

  async function run() {
    await sleep(windowMs)
    while (waiting.length > 0) {
      await store(waiting.splice(0, maxRows))
    }
    running = undefined
  }

  return {
    add(held) {
      waiting.push(held)
      running ??= run()
    },
    isBlocked: () => isBlocked,
    list: () => [...current, ...waiting],
    async [Symbol.asyncDispose]() {
      isClosing = true
      stopped.abort()
      await running
    },
  }
}
