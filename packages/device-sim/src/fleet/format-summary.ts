import type { Percentiles } from '../measure/latency.ts'
import type { Summary } from './summary.ts'

/** The table that is printed at the end of a run. */
export function formatSummary(summary: Summary): string {
  const { counts, latency, failures, elapsedMs } = summary
  const seconds = elapsedMs / 1_000
  const rate = seconds > 0 ? Math.round(counts.acknowledged / seconds) : 0
  const lines = [
    `${summary.devices} devices, seed ${summary.seed}, ${seconds.toFixed(1)} s`,
    `  enrolled ${counts.enrolled}   connections ${counts.connections}   refused ${counts.refused}   renewals ${counts.renewals}   commands ${counts.commands}`,
    `  published ${counts.published}   acknowledged ${counts.acknowledged} (${rate}/s)   skipped ${summary.skipped}`,
    '',
    formatRow('ms', ['count', 'p50', 'p90', 'p99', 'max']),
    ...Object.entries(latency).map(([name, percentiles]) => formatRow(name, cellsOf(percentiles))),
  ]
  const reasons = Object.entries(failures)
  if (reasons.length > 0) lines.push('', 'failures', ...reasons.map(([reason, count]) => `  ${count} x ${reason}`))
  return `${lines.join('\n')}\n`
}

function cellsOf({ count, p50, p90, p99, max }: Percentiles): string[] {
  return [String(count), ...[p50, p90, p99, max].map((ms) => ms.toFixed(ms < 10 ? 2 : 1))]
}

function formatRow(name: string, cells: string[]): string {
  return `  ${name.padEnd(8)}${cells.map((cell) => cell.padStart(10)).join('')}`
}
