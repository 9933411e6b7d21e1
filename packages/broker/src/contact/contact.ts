import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import type { Clock } from './clock.ts'
import type { Lease } from './lease.ts'

/** Whether the registry can be asked, and for how long this node may do without it. */
export interface Contact extends AsyncDisposable {
  /** First contact. @throws MusterError `unavailable` when there is none, and nothing that would do without it */
  begin(): Promise<void>
  /** Whether the registry answered when it was last asked, and what was missed before has been made up for. */
  isHere(): boolean
  /** Whether this node may serve. The registry is told, and waited for, for longer than that. */
  isHeld(): boolean
  /** For how long it may go on as things are; 0 when it may not. */
  secondsLeft(): number
  /** Every change that was committed at `at` has been acted on. */
  caughtUp(at: number): void
}

export interface ContactOptions {
  lease: Lease
  clock: Clock
  freshnessMs: number
  /** Until when an earlier process of this node was allowed to serve. */
  heldUntil: number
  /** The registry is there again: acts on everything that was missed. */
  onReturn(): Promise<void>
  /** What this node knew at `at` is true for everybody: it may serve for `freshnessMs` from then on. */
  onFresh(at: number): void
  /** The registry is going to be told that nobody need wait for this node any more. */
  onLeave(): Promise<void>
  /** The time is up: everybody must be out. */
  onLost(): Promise<void>
  onError(error: unknown): void
}

const beatMs = 1_000
/** While the registry is away: so soon after its return it is noticed. */
const retryMs = 250

export function openContact(options: ContactOptions): Contact {
  const { lease, clock, freshnessMs, onReturn, onFresh, onLeave, onLost, onError } = options
  const stopped = new AbortController()
  let here = false
  let leasedAt = Number.NEGATIVE_INFINITY
  let caughtUpAt = Number.NEGATIVE_INFINITY
  let heldUntil = options.heldUntil
  let lost = true
  let losing: NodeJS.Timeout | undefined

  const isHeld = () => clock.now() < heldUntil

  /** Both must be recent: that the registry counts on this node, and that this node has acted on what the registry says. */
  function judge() {
    const at = Math.min(leasedAt, caughtUpAt)
    if (at + freshnessMs > heldUntil) {
      heldUntil = at + freshnessMs
      onFresh(at)
    }
    clearTimeout(losing)
    const left = heldUntil - clock.now()
    if (left > 0) {
      lost = false
      losing = setTimeout(judge, left)
      losing.unref()
    } else if (!lost) {
      lost = true
      onLost().catch(onError)
    }
  }

  /** Answers what went wrong. */
  async function beat(): Promise<unknown> {
    const at = clock.now()
    try {
      await lease.extend()
      if (!here) {
        await onReturn()
        here = true
      }
      leasedAt = at
      return undefined
    } catch (error) {
      const was = here
      here = false
      if (was) onError(new MusterError('unavailable', 'the registry is away', { cause: error }))
      return error
    } finally {
      judge()
    }
  }

  async function run() {
    const { signal } = stopped
    while (!signal.aborted) {
      await sleep(here ? beatMs : retryMs, undefined, { signal }).catch(() => {})
      if (!signal.aborted) await beat()
    }
  }
  let running: Promise<void> | undefined

  return {
    async begin() {
      const failure = await beat()
      if (failure && !isHeld()) throw failure
      running = run()
    },
    isHere: () => here,
    isHeld,
    secondsLeft: () => Math.max(0, heldUntil - clock.now()) / 1_000,
    caughtUp(at) {
      caughtUpAt = Math.max(caughtUpAt, at)
      judge()
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await running
      clearTimeout(losing)
      // Away, it is not told: what is kept on this node's disk is good for a successor then.
      if (here) await onLeave().then(lease.leave).catch(onError)
    },
  }
}
