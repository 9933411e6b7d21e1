import { mkdir } from 'node:fs/promises'
import { repeat } from '@muster/db'
import type { Limits } from '../../limits.ts'
import type { Observer } from '../../observer.ts'
import { type Journal, openJournal } from './journal.ts'
import type { OnKept } from './lives.ts'
import { loadState } from './load.ts'
import { findLoss, openLevel } from './open-level.ts'
import { aliveEveryMs, aliveKey } from './records.ts'
import { openRoom } from './room.ts'
import type { State } from './state.ts'

export interface StoreOptions {
  path: string
  /** Whether what is acknowledged is safe from a power cut too; from a crash of the process it always is. */
  sync: boolean
  limits: Limits
  observer: Pick<Observer, 'dropped' | 'failed' | 'sessionsWritten'>
  now(): Date
  /** Hears of each session that is there at the beginning, and of what becomes of it and others. */
  onKept?: OnKept
}

export interface OpenedStore {
  state: State
  journal: Journal
  /** `listener` hears of it when the disk, after it has failed, can be read and written again. */
  onRecovered(listener: () => void): void
  /** Runs `work` every second, and closes it all in the end. */
  keep(work: () => void): AsyncDisposable
}

const tickMs = 1_000
const compactAbove = 64 * 1_048_576

/** @throws MusterError when it cannot be opened, with what to do about it */
export async function openStore({ path, sync, limits, observer, now }: StoreOptions): Promise<OpenedStore> {
  await using opening = new AsyncDisposableStack()
  await mkdir(path, { recursive: true, mode: 0o700 })
  const onError = observer.failed
  const room = opening.use(await openRoom({ path, reserveBytes: limits.diskReserveBytes, onError }))
  const level = await openLevel(path)
  opening.defer(() => level.close())
  const loss = await findLoss(level)
  if (loss) observer.failed(loss)
  const { state, stale } = await loadState({ level, limits, now: now().getTime() })
  const recovered: (() => void)[] = []
  const onRecovered = () => {
    for (const listener of recovered) listener()
  }
  const journal = opening.use(
    openJournal({ level, room, sync, onBatch: observer.sessionsWritten, onFailed: observer.failed, onRecovered }),
  )
  journal.note(...stale)

  let aliveAt = 0
  function noteAlive() {
    if (now().getTime() - aliveAt < aliveEveryMs) return
    aliveAt = now().getTime()
    journal.note({ type: 'put', key: aliveKey, value: String(aliveAt) })
  }

  /** What was consumed gives its room back soon, and not only when as much again has been written. */
  async function compact() {
    if (state.messages.deletedBytes < compactAbove) return
    state.messages.deletedBytes = 0
    await level.compactRange('a', 'z')
  }

  const opened = opening.move()
  return {
    state,
    journal,
    onRecovered: (listener) => void recovered.push(listener),
    keep(work) {
      noteAlive()
      const tick = async () => {
        work()
        noteAlive()
        await compact()
      }
      opened.use(repeat(tick, { everyMs: tickMs, onError }))
      return opened
    },
  }
}
