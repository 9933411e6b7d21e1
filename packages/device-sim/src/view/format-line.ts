import { printable } from '@muster/contracts'
import type { InvariantVerdict } from '../invariants/invariant.ts'
import { formatCount } from '../report/format.ts'
import { countErrors } from '../report/verdict-words.ts'
import type { LiveState } from '../run/live.ts'

/** `name=value`, for people who read a log and for `grep`. Rates are over the last second, percentiles over ten. */
export function formatLine(state: LiveState): string {
  const { phase, counts, rates, latencies, invariants, reasons } = state
  const fields: [string, string | number | undefined][] = [
    ['phase', `${phase.index + 1}/${phase.count}:${word(phase.name)}`],
    ['progress', phase.progress === undefined ? undefined : `${Math.floor(phase.progress * 100)}%`],
    ['connected', `${counts.connected}/${state.devices}`],
    ['enrolled', counts.enrolled],
    ['acknowledged', counts.acknowledged],
    ['acknowledged-per-s', Math.round(rates.acknowledged)],
    ['connect-p99', ms(latencies.connect?.p99)],
    ['publish-p99', ms(latencies.publish?.p99)],
    ['errors-expected', countErrors(reasons, true)],
    ['errors-unexpected', countErrors(reasons, false)],
    ['invariants-violated', invariants.filter((one) => one.violations > 0).length],
  ]
  const told = fields.flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`))
  return `${elapsed(state)} ${told.join(' ')}`
}

export function formatViolation(state: LiveState, { name, statement, examples }: InvariantVerdict): string {
  const first = examples[0]
  const who = first?.device === undefined ? '' : ` device=${word(first.device)}`
  return `${elapsed(state)} VIOLATED invariant=${name}${who} ${printable(first?.what ?? statement)}`
}

const elapsed = ({ elapsedMs }: LiveState) => `${formatCount(elapsedMs / 1_000).replaceAll(',', '')}s`
const ms = (value: number | undefined) =>
  value === undefined ? undefined : `${value < 10 ? value.toFixed(1) : Math.round(value)}ms`

/** Without spaces: one field of a line. */
const word = (text: string) => printable(text).replaceAll(' ', '-')
