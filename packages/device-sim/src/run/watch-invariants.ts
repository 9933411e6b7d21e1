import { setTimeout as sleep } from 'node:timers/promises'
import type { Invariant, InvariantVerdict } from '../invariants/invariant.ts'
import type { Observation } from '../observations.ts'
import type { PlatformView } from './platform-view.ts'

const lookEveryMs = 3_000

export interface InvariantWatch extends AsyncDisposable {
  observe(observation: Observation): void
  verdicts(): InvariantVerdict[]
  /** After every device has ended. @returns what could not be judged, a line each */
  conclude(leftovers: readonly string[]): Promise<string[]>
  /** After the run has taken back what it had made. @returns as `conclude` */
  inspect(): Promise<string[]>
}

/** Lets the invariants see what devices see, and every few seconds what the platform says. */
export function watchInvariants(invariants: readonly Invariant[], platform: PlatformView): InvariantWatch {
  const ending = new AbortController()
  const looking = look()

  async function look(): Promise<void> {
    while (!ending.signal.aborted) {
      await sleep(lookEveryMs, undefined, { signal: ending.signal }).catch(() => undefined)
      for (const invariant of invariants) {
        if (ending.signal.aborted) return
        // A platform that does not answer is told of elsewhere, and is asked again.
        await invariant.look?.(platform).catch(() => undefined)
      }
    }
  }

  async function end(): Promise<void> {
    ending.abort()
    await looking
  }

  async function each(judge: (invariant: Invariant) => Promise<void> | undefined): Promise<string[]> {
    const failures: string[] = []
    for (const invariant of invariants)
      await judge(invariant)?.catch((error: unknown) => {
        const why = error instanceof Error ? error.message : error
        failures.push(`invariant ${invariant.name} could not be judged: ${why}`)
      })
    return failures
  }

  return {
    observe(observation) {
      for (const invariant of invariants) invariant.observe(observation)
    },
    verdicts: () => invariants.map((invariant) => invariant.verdict()),
    async conclude(leftovers) {
      await end()
      return each((invariant) => invariant.conclude(platform, leftovers))
    },
    inspect: () => each((invariant) => invariant.inspect?.(platform)),
    [Symbol.asyncDispose]: end,
  }
}
