import { MusterError } from '@muster/contracts'
import { type Level, reopenLevel } from './open-level.ts'
import type { Room } from './room.ts'

export type Write = { type: 'put'; key: string; value: string | Buffer } | { type: 'del'; key: string }

/** Something new that counts once it is on disk. */
export interface Proposal {
  writes: Write[]
  /** When it comes to nothing: takes back what was reserved for it, answers what puts the disk back to how things are. */
  undo(): Write[]
  /** Makes it true in memory. */
  apply(): void
  /** It frees room, or hardly takes any: it is written as long as anything can be. */
  frees?: boolean
}

export interface JournalOptions {
  level: Level
  room: Room
  /** Whether acknowledged means safe from a power cut too. */
  sync: boolean
  /** For how long what nobody waits for is collected. */
  lingerMs?: number
  retryMs?: number
  maxWaitingBytes?: number
  onBatch?(writes: number, seconds: number): void
  onFailed(error: unknown): void
  onRecovered(): void
}

/** All writes of one turn, and of the time the disk was busy, in one batch: they reach the disk together or not at all, in order. */
export interface Journal extends AsyncDisposable {
  /** Whether anything new can be kept at the moment. */
  isWritable(): boolean
  /** Memory is ahead of the disk, which follows: none of these gets lost but with the process. */
  note(...writes: Write[]): void
  /** Resolves when everything noted so far is on disk. @throws MusterError when the disk fails; it is tried again */
  flush(): Promise<void>
  /** @throws MusterError `quota-exceeded` | `unavailable`; then it has not happened */
  propose(proposal: Proposal): Promise<void>
}

interface Waiting {
  proposal?: Proposal
  resolve(): void
  reject(error: unknown): void
}

interface Batch {
  writes: Map<string, Write>
  notes: Map<string, Write>
  waiting: Waiting[]
  bytes: number
}

const emptyBatch = (): Batch => ({ writes: new Map(), notes: new Map(), waiting: [], bytes: 0 })
const sizeOf = (write: Write) => write.key.length + (write.type === 'put' ? write.value.length : 0)

export function openJournal(options: JournalOptions): Journal {
  const { level, room, sync, lingerMs = 20, retryMs = 1_000, maxWaitingBytes = 64 * 1_048_576 } = options
  let next = emptyBatch()
  let running: Promise<void> | undefined
  let lingering: NodeJS.Timeout | undefined
  let failure: unknown
  let retry: NodeJS.Timeout | undefined
  let closed = false

  function wake() {
    if (running || failure || closed) return
    clearTimeout(lingering)
    lingering = undefined
    running = new Promise<void>((resolve) => setImmediate(resolve)).then(run)
  }

  async function run() {
    do await write()
    while (!failure && next.waiting.length > 0)
    running = undefined
    if (next.notes.size > 0) linger()
  }

  function linger() {
    if (!running && !failure && !closed) lingering ??= setTimeout(wake, lingerMs)
  }

  async function write(urgent = false): Promise<boolean> {
    const batch = next
    next = emptyBatch()
    const startedAt = performance.now()
    try {
      await level.batch([...batch.writes.values()], { sync: sync && (urgent || batch.waiting.length > 0) })
    } catch (error) {
      fail(batch, error)
      return false
    }
    room.wrote(batch.bytes)
    options.onBatch?.(batch.writes.size, (performance.now() - startedAt) / 1_000)
    // All of it is true before anybody hears of any of it.
    for (const { proposal } of batch.waiting) proposal?.apply()
    for (const { resolve } of batch.waiting) resolve()
    return true
  }

  /** The disk may hold the batch or not: it is told again how things are. */
  function fail(batch: Batch, error: unknown) {
    const newer = next
    next = emptyBatch()
    for (const { notes, waiting } of [batch, newer]) {
      for (const one of notes.values()) add(one, true)
      const undone = waiting.flatMap(({ proposal }) => proposal?.undo() ?? [])
      for (const one of undone) if (!next.notes.has(one.key)) add(one, true)
    }
    const refusal = refusalFor(error)
    for (const { reject } of [...batch.waiting, ...newer.waiting]) reject(refusal)
    if (!failure) options.onFailed(error)
    failure = error
    if (!closed) retry = setTimeout(recover, retryMs)
  }

  function recover() {
    running = reopen().finally(() => {
      running = undefined
      if (!failure) wake()
    })
  }

  async function reopen() {
    try {
      await level.close()
      await reopenLevel(level)
    } catch (error) {
      failure = error
      if (!closed) retry = setTimeout(recover, retryMs)
      return
    }
    if (!(await write(true))) return
    failure = undefined
    options.onRecovered()
  }

  function add(write: Write, isNote: boolean) {
    next.writes.set(write.key, write)
    if (isNote) next.notes.set(write.key, write)
    next.bytes += sizeOf(write)
  }

  const refusalFor = (cause: unknown) =>
    room.isFull() || /no space|quota/i.test(String((cause as { message?: string } | undefined)?.message))
      ? new MusterError('quota-exceeded', 'the disk for sessions is full', { cause })
      : new MusterError('unavailable', 'sessions cannot be written to disk now', { cause })

  return {
    isWritable: () => !failure && !room.isFull(),

    note(...writes) {
      for (const write of writes) add(write, true)
      linger()
    },

    async flush() {
      if (failure || closed) throw refusalFor(failure)
      if (next.writes.size === 0 && !running) return
      // An empty batch too goes after the one under way, and fails with it.
      await new Promise<void>((resolve, reject) => {
        next.waiting.push({ resolve, reject })
        wake()
      })
    },

    async propose(proposal) {
      const isTooMuch = !proposal.frees && (room.isFull() || next.bytes > maxWaitingBytes)
      if (failure || closed || isTooMuch) {
        proposal.undo()
        throw refusalFor(failure)
      }
      for (const write of proposal.writes) add(write, false)
      await new Promise<void>((resolve, reject) => {
        next.waiting.push({ proposal, resolve, reject })
        wake()
      })
    },

    async [Symbol.asyncDispose]() {
      clearTimeout(lingering)
      clearTimeout(retry)
      while (running) await running
      closed = true
      if (!failure && (next.waiting.length > 0 || next.notes.size > 0)) await write(true)
      await level.close()
    },
  }
}
