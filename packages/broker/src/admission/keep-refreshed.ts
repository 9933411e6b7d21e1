import { setTimeout as sleep } from 'node:timers/promises'
import { repeat } from '@muster/db'
import type { Contact } from '../contact/contact.ts'
import type { Registry } from './registry.ts'
import type { Snapshot } from './snapshot.ts'

export interface Refreshing extends AsyncDisposable {
  /** Reads at once what is not believed until then. */
  hurry(): void
}

const checkEveryMs = 1_000
const batchRows = 500

/** Reads the snapshot's rows again, all of them four times within the freshness bound: evenly, so that the registry hardly notices. */
export function keepRefreshed(options: {
  snapshot: Snapshot
  registry: Pick<Registry, 'findAll'>
  contact: Pick<Contact, 'isHere'>
  freshnessMs: number
  onError(error: unknown): void
}): Refreshing {
  const { snapshot, registry, contact, freshnessMs, onError } = options
  /** Half of it for the reading, half for the pause after it. */
  const everyMs = freshnessMs / 4
  let dueAt = 0
  let hurried = true
  const stopped = new AbortController()
  const pause = (ms: number) => sleep(ms, undefined, { signal: stopped.signal }).catch(() => {})

  async function readDoubted() {
    hurried = false
    for await (const _ of snapshot.refresh(registry.findAll, 'doubted')) if (stopped.signal.aborted) return
  }

  async function sweep() {
    if (!contact.isHere()) return
    if (hurried) await readDoubted()
    if (performance.now() < dueAt) return
    const pauseMs = (everyMs / 2) * Math.min(1, batchRows / Math.max(1, snapshot.size()))
    for await (const _ of snapshot.refresh(registry.findAll, 'all')) {
      if (stopped.signal.aborted) return
      if (hurried) await readDoubted()
      await pause(pauseMs)
    }
    dueAt = performance.now() + everyMs / 2
  }

  const poll = repeat(sweep, { everyMs: Math.min(checkEveryMs, everyMs), onError })
  return {
    hurry() {
      hurried = true
      poll.hurry()
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await poll[Symbol.asyncDispose]()
    },
  }
}
