import { printable } from '@muster/contracts'
import { latencies } from '../observations.ts'
import { formatClock, formatCount, formatMs, formatSpan } from '../report/format.ts'
import type { RunReport } from '../report/run-report.ts'
import { sayVerdict } from '../report/verdict-words.ts'
import { formatErrors } from './format-errors.ts'
import type { Paint } from './paint.ts'
import { padTo } from './width.ts'

/** What stays on the screen when a run is over. The verdict stands last, where the eye is. */
export function formatEnd(report: RunReport, paint: Paint): string[] {
  const { scenario, elapsedMs } = report
  return [
    `${paint('bold', printable(scenario.title || scenario.name))}: ${formatCount(scenario.devices)} devices, seed ${scenario.seed}, ${formatSpan(elapsedMs)}`,
    ...formatTotals(report),
    ...formatLatencies(report, paint),
    ...formatJudgement(report, paint),
    ...formatErrors(report.reasons, 10, paint),
    ...formatSkipped(report),
    '',
    ...formatVerdict(report, paint),
  ]
}

function formatTotals({ totals, ends }: RunReport): string[] {
  const rest = (['refused', 'off', 'stuck'] as const)
    .filter((end) => ends[end] > 0)
    .map((end) => `, ${formatCount(ends[end])} ${end}`)
  return [
    `  ${formatCount(totals.enrolled)} enrolled, ${formatCount(totals.connections)} connections, ${formatCount(totals.renewals)} renewals, ${formatCount(totals.published)} messages, ${formatCount(totals.acknowledged)} of them acknowledged`,
    `  in the end ${formatCount(ends.working)} working${rest.join('')}`,
  ]
}

function formatLatencies(report: RunReport, paint: Paint): string[] {
  const row = (name: string, cells: string[]) =>
    `  ${padTo(name, 10)}${cells.map((cell) => cell.padStart(10)).join('')}`
  const rows = latencies.flatMap((name) => {
    const measured = report.latencies[name]
    if (!measured) return []
    const { count, p50, p90, p99, max } = measured.percentiles
    return row(name, [formatCount(count), ...[p50, p90, p99, max].map(formatMs)])
  })
  return rows.length > 0 ? ['', paint('dim', row('', ['count', 'p50', 'p90', 'p99', 'max'])), ...rows] : []
}

function formatJudgement({ invariants, slos, startedAt }: RunReport, paint: Paint): string[] {
  const mark = (good: boolean) => (good ? paint('good', '✓') : paint('bad', '✕'))
  const held = invariants.flatMap(({ name, held: isHeld, checked, violations, examples }) => [
    `  ${mark(isHeld)} ${padTo(name, 21)} ${checked === 0 ? 'nothing to judge' : `${formatCount(checked)} checked`}${violations > 0 ? `, ${formatCount(violations)} violated it` : ''}`,
    ...examples.slice(0, 3).map(({ at, device, what }) => {
      return `      ${formatClock(at - startedAt)}  ${device === undefined ? '' : `${printable(device)}: `}${printable(what)}`
    }),
  ])
  const met = slos.map(
    (slo) =>
      `  ${mark(slo.met)} ${padTo(printable(slo.name), 21)} wanted ${printable(slo.wanted)}, found ${printable(slo.found)}`,
  )
  return [...(held.length > 0 ? ['', ...held] : []), ...(met.length > 0 ? ['', ...met] : [])]
}

function formatSkipped({ skipped = [] }: RunReport): string[] {
  return skipped.length > 0 ? ['', ...skipped.map((line) => `  left out: ${printable(line)}`)] : []
}

function formatVerdict(report: RunReport, paint: Paint): string[] {
  const { passed, reasons } = report.verdict
  const word = passed ? paint('good', 'PASSED') : paint('bad', 'FAILED')
  return [`${word}  ${sayVerdict(report)}`, ...reasons.map((reason) => `  - ${printable(reason)}`)]
}
