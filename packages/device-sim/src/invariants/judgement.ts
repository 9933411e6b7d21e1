import type { InvariantName, InvariantVerdict, Violation } from './invariant.ts'

const keptExamples = 20

interface JudgementOptions {
  name: InvariantName
  statement: string
  now(): number
  /** What there should have been to judge; undefined where the scenario gives it nothing. */
  expects?(): string | undefined
}

/** What an invariant has found so far. */
export interface Judgement {
  /** So many more things have been looked at. */
  judged(count?: number): void
  violated(what: string, where?: { device?: string; at?: number }): void
  verdict(): InvariantVerdict
}

export function createJudgement({ name, statement, now, expects }: JudgementOptions): Judgement {
  let checked = 0
  let violations = 0
  const examples: Violation[] = []
  return {
    judged(count = 1) {
      checked += count
    },
    violated(what, { device, at = now() } = {}) {
      violations += 1
      if (examples.length < keptExamples) examples.push({ ...(device === undefined ? {} : { device }), at, what })
    },
    verdict() {
      const missed = checked === 0 ? expects?.() : undefined
      const reasons = missed === undefined ? [] : [{ at: now(), what: `nothing was judged: ${missed}` }]
      return {
        ...{ name, statement, checked, violations },
        held: violations === 0 && missed === undefined,
        examples: [...examples, ...reasons],
      }
    },
  }
}
