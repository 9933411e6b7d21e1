import { setTimeout as sleep } from 'node:timers/promises'
import { Bootstrap } from '@muster/contracts'
import type { OperatorApi } from '../operator/operator-api.ts'

export interface Outage {
  /** Epoch milliseconds. */
  from: number
  /** Undefined while it lasts. */
  to: number | undefined
  why: string
}

const askEveryMs = 1_000

/** Asks the platform each second whether it is there. */
export function watchPlatform(operator: Pick<OperatorApi, 'get'>, onChange: (outage: Outage) => void) {
  const outages: Outage[] = []
  const ending = new AbortController()
  let current: Outage | undefined
  const asking = ask()

  function askOnce(): Promise<string | undefined> {
    return operator.get('/v1/bootstrap', Bootstrap).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
  }

  async function ask(): Promise<void> {
    while (!ending.signal.aborted) {
      const asked = Date.now()
      // Twice: a connection that has been idle may be closed at the moment in which it is used again.
      const failure = (await askOnce()) && (await askOnce())
      if (ending.signal.aborted) return
      note(asked, failure)
      await sleep(askEveryMs, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  }

  function note(asked: number, failure: string | undefined): void {
    if (failure !== undefined && !current) {
      current = { from: asked, to: undefined, why: failure }
      outages.push(current)
      onChange(current)
    }
    if (failure !== undefined || !current) return
    current.to = Date.now()
    onChange(current)
    current = undefined
  }

  return {
    outages: outages as readonly Outage[],
    async [Symbol.asyncDispose]() {
      ending.abort()
      await asking
    },
  }
}

export const describeOutage = ({ from, to, why }: Outage): string =>
  to === undefined
    ? `the platform does not answer: ${why}`
    : `the platform did not answer for ${Math.ceil((to - from) / 1_000)} s: ${why}`
