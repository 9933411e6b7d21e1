import { changesChannel, MusterError } from '@muster/contracts'
import { listenTo, repeat } from '@muster/db'

export interface ChangesOptions {
  url: string
  /** Acts on changes without a receipt: on recent ones, or on `everything`. */
  act(options: { everything: boolean }): Promise<void>
  recheck(): Promise<void>
  onError(error: unknown): void
  pollMs: number
}

export interface Changes extends AsyncDisposable {
  /** Resolves when every change that is committed now has been acted on. */
  catchUp(): Promise<void>
}

const recheckEvery = 20

/**
 * Sees to it that changes are acted on: at once when a notification comes, within `pollMs` when it is lost. After a time
 * without notifications everything is looked at again, and every live connection is judged again.
 */
export async function openChanges({ url, act, recheck, onError, pollMs }: ChangesOptions): Promise<Changes> {
  await act({ everything: true })
  let polls = 0
  let missed = false
  let waiting: PromiseWithResolvers<void>[] = []

  async function work() {
    const callers = waiting
    waiting = []
    try {
      const thorough = missed || polls % recheckEvery === recheckEvery - 1
      missed = false
      polls += 1
      await act({ everything: thorough })
      if (thorough) await recheck()
      for (const caller of callers) caller.resolve()
    } catch (cause) {
      missed = true
      const error = new MusterError('unavailable', 'changes cannot be acted on now', { cause })
      for (const caller of callers) caller.reject(error)
      throw error
    }
  }

  const poll = repeat(work, { everyMs: pollMs, onError })
  const hurry = () => poll.hurry()
  const listening = listenTo({
    url,
    channels: [changesChannel],
    applicationName: 'muster_broker changes',
    onError,
    onNotification: hurry,
    onListening() {
      missed = true
      hurry()
    },
  })

  return {
    catchUp() {
      const caller = Promise.withResolvers<void>()
      waiting.push(caller)
      hurry()
      return caller.promise
    },
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      await poll[Symbol.asyncDispose]()
      for (const caller of waiting) caller.reject(new MusterError('unavailable', 'this node is leaving'))
    },
  }
}
