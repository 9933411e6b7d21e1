import { formatCount } from './format.ts'
import type { RunReport } from './run-report.ts'

const plural = (count: number, one: string) => `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`
const share = (good: number, all: number, what: string) =>
  good === all ? plural(all, what) : `${formatCount(good)} of ${plural(all, what)}`

/** In one sentence, what the verdict rests on. */
export function sayVerdict({ invariants, slos, reasons }: RunReport): string {
  const held = invariants.filter((one) => one.held).length
  const checked = invariants.reduce((all, one) => all + one.checked, 0)
  const met = slos.filter((one) => one.met).length
  const unexpected = countErrors(reasons, false)
  const parts = [
    `${share(held, invariants.length, 'invariant')} held over ${plural(checked, 'check')}`,
    slos.length > 0 ? `${share(met, slos.length, 'limit')} ${met === 1 ? 'was' : 'were'} met` : 'no limit was set',
    unexpected > 0 ? `${plural(unexpected, 'error')} came unexpected` : 'no error came unexpected',
  ]
  return `${parts.slice(0, -1).join(', ')}, and ${parts.at(-1)}.`
}

export const countErrors = (reasons: RunReport['reasons'], expected: boolean) =>
  reasons.filter((one) => one.expected === expected).reduce((all, one) => all + one.count, 0)
