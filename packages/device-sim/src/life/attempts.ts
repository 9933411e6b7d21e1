import { pauseMs } from '@muster/device'
import type { Judgement } from './judge.ts'

/** As the SDK has it: a suspended device may be resumed, but not within seconds. */
const refusedPauseMs = 300_000
const longestSteadyMs = 30_000
/** So long a device that is resumed asks again soon. */
const resumeMs = 30_000

/** When a device may try again: as the SDK does, jittered, later with every failure, and much later after a refusal. */
export class Attempts {
  /** A connection that has lasted so long was a good one. */
  readonly #steadyMs: number
  #failures = 0
  #connectedAt = 0
  #eagerUntil = 0

  /** Where connections are cut more often than in real life, less is steady. */
  constructor(cutEveryMs = Number.POSITIVE_INFINITY) {
    this.#steadyMs = Math.min(longestSteadyMs, cutEveryMs / 2)
  }

  /** Whether it had been told that it would be let in again. */
  noteAdmission(): boolean {
    const wasEager = this.#eagerUntil > 0
    this.#connectedAt = performance.now()
    this.#eagerUntil = 0
    return wasEager
  }

  noteFailure(): void {
    this.#failures += 1
  }

  noteClose(): void {
    this.#failures = performance.now() - this.#connectedAt > this.#steadyMs ? 0 : this.#failures + 1
  }

  forget(): void {
    this.#failures = 0
  }

  expectAdmission(): void {
    this.forget()
    this.#eagerUntil = performance.now() + resumeMs
  }

  /** Whether this is an answer to take, and not a reason to ask again soon. */
  isFinal({ refused }: Judgement, hasAlternative: boolean): boolean {
    return refused && !hasAlternative && performance.now() >= this.#eagerUntil
  }

  pauseMs(isFinal: boolean): number {
    return isFinal ? pauseMs(0, { minMs: refusedPauseMs, maxMs: refusedPauseMs }) : pauseMs(this.#failures, {})
  }
}
