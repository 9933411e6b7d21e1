import { changesChannel, MusterError, previewsChannel } from '@muster/contracts'
import { listenTo, repeat } from '@muster/db'
import type { Clock } from '../contact/clock.ts'
import type { Contact } from '../contact/contact.ts'

export interface ChangesOptions {
  url: string
  clock: Clock
  /** While it is away, nobody but `startOver` tries. */
  contact: Pick<Contact, 'isHere' | 'caughtUp'>
  /** Acts on changes without a receipt: on recent ones, or on `everything`. */
  act(options: { everything: boolean }): Promise<void>
  recheck(): Promise<void>
  /** Tells what changes would do that somebody thinks of. */
  answerPreviews(): Promise<void>
  onError(error: unknown): void
  pollMs: number
}

export interface Changes extends AsyncDisposable {
  /** Resolves when every change that is committed now has been acted on. */
  catchUp(): Promise<void>
  /** The same, and every live connection is judged again: after a time in which anything may have been missed. */
  startOver(): Promise<void>
}

/** So many times `pollMs`: by time, not by how much happens, as each judges every connection of the node. */
const recheckEvery = 20

/**
 * Sees to it that changes are acted on: at once when a notification comes, within `pollMs` when it is lost. From time to time, and
 * after a time without notifications, everything is looked at again, and every live connection is judged again.
 */
export function openChanges(options: ChangesOptions): Changes {
  const { url, clock, contact, act, recheck, answerPreviews, onError, pollMs } = options
  let thoroughAt = Number.NEGATIVE_INFINITY
  let missed = true
  let rechecking: Promise<void> | undefined
  let leaving: MusterError | undefined
  let waiting: PromiseWithResolvers<void>[] = []

  async function work() {
    if (waiting.length === 0 && !contact.isHere()) return
    const callers = waiting
    waiting = []
    try {
      const startedAt = clock.now()
      const wasMissed = missed
      const thorough = wasMissed || startedAt - thoroughAt >= recheckEvery * pollMs
      missed = false
      await act({ everything: thorough })
      contact.caughtUp(startedAt)
      if (thorough) thoroughAt = startedAt
      if (wasMissed) await recheck()
      else if (thorough) recheckBeside()
      for (const caller of callers) caller.resolve()
    } catch (cause) {
      missed = true
      const error = new MusterError('unavailable', 'changes cannot be acted on now', { cause })
      for (const caller of callers) caller.reject(error)
      throw error
    }
  }

  /** Changes that come meanwhile do not wait for it. */
  function recheckBeside() {
    rechecking ??= recheck()
      .catch((error: unknown) => {
        missed = true
        onError(error)
      })
      .finally(() => {
        rechecking = undefined
      })
  }

  const poll = repeat(work, { everyMs: pollMs, onError })
  const hurry = () => poll.hurry()
  const listening = listenTo({
    url,
    channels: [changesChannel, previewsChannel],
    applicationName: 'muster_broker changes',
    onError,
    onNotification: (channel) => (channel === previewsChannel ? void answerPreviews().catch(onError) : hurry()),
    onListening() {
      missed = true
      hurry()
    },
  })

  function catchUp() {
    const caller = Promise.withResolvers<void>()
    if (leaving) caller.reject(leaving)
    else waiting.push(caller)
    hurry()
    return caller.promise
  }

  return {
    catchUp,
    startOver() {
      missed = true
      return catchUp()
    },
    async [Symbol.asyncDispose]() {
      leaving = new MusterError('unavailable', 'this node is leaving')
      await listening[Symbol.asyncDispose]()
      await poll[Symbol.asyncDispose]()
      await rechecking
      for (const caller of waiting) caller.reject(leaving)
    },
  }
}
