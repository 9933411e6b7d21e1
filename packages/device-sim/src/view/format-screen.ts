import { printable } from '@muster/contracts'
import { latencies } from '../observations.ts'
import { formatBytes, formatClock, formatCount, formatMs, formatRate, formatShare } from '../report/format.ts'
import type { LiveState } from '../run/live.ts'
import { formatErrors } from './format-errors.ts'
import type { Size } from './frame.ts'
import type { Paint } from './paint.ts'
import { padTo } from './width.ts'

/** What is left out first where there are too few lines: the last. */
type Part = { lines: string[]; rank: number }

/** The lines of a live view, so many as fit. */
export function formatScreen(state: LiveState, { columns, rows }: Size, paint: Paint): string[] {
  const parts: Part[] = [
    { rank: 0, lines: formatHead(state, columns, paint) },
    { rank: 1, lines: ['', ...formatCounts(state, paint)] },
    { rank: 4, lines: formatLatencies(state, paint) },
    { rank: 2, lines: formatInvariants(state, paint) },
    { rank: 3, lines: formatErrors(state.reasons, 5, paint) },
    { rank: 5, lines: formatWorkers(state, paint) },
  ]
  const fits = (most: number) =>
    parts.filter(({ rank }) => rank <= most).reduce((sum, { lines }) => sum + lines.length, 0) <= rows - 1
  const most = [5, 4, 3, 2, 1].find(fits) ?? 0
  return parts.filter(({ rank }) => rank <= most).flatMap(({ lines }) => lines)
}

function formatHead({ scenario, elapsedMs, phase }: LiveState, columns: number, paint: Paint): string[] {
  const where = `phase ${phase.index + 1} of ${phase.count}: ${printable(phase.name)}`
  const since = `${formatClock(phase.elapsedMs)} in it`
  const progress = phase.progress === undefined ? '' : formatShare(Math.floor(phase.progress * 100) / 100)
  return [
    `${paint('bold', printable(scenario))}  ${formatClock(elapsedMs)}  ${where}, ${since}`,
    formatBar(phase.progress, Math.min(60, Math.max(10, columns - 10)), paint) + (progress && ` ${progress}`),
  ]
}

/** Where nobody can say how far it is there is no bar that moves. */
function formatBar(progress: number | undefined, width: number, paint: Paint): string {
  if (progress === undefined) return paint('dim', '·'.repeat(width))
  const full = Math.round(Math.min(1, Math.max(0, progress)) * width)
  return paint('good', '━'.repeat(full)) + paint('dim', '─'.repeat(width - full))
}

function formatCounts({ counts, devices, rates }: LiveState, paint: Paint): string[] {
  const row = (name: string, count: number, rate: number | undefined, beside = '') =>
    `  ${padTo(name, 14)}${formatCount(count).padStart(11)}${(rate === undefined ? '' : formatRate(rate)).padStart(11)}  ${paint('dim', beside)}`
  return [
    row(
      'connected',
      counts.connected,
      rates.connections,
      `of ${formatCount(devices)}, ${formatCount(counts.connections)} connections`,
    ),
    row(
      'enrolled',
      counts.enrolled,
      rates.enrolled,
      counts.renewals > 0 ? `${formatCount(counts.renewals)} renewals` : '',
    ),
    row('acknowledged', counts.acknowledged, rates.acknowledged, `${formatCount(counts.published)} published`),
    row(
      'received',
      counts.received,
      rates.received,
      counts.commands > 0 ? `${formatCount(counts.commands)} commands` : '',
    ),
  ]
}

function formatLatencies(state: LiveState, paint: Paint): string[] {
  const rows = latencies.flatMap((name) => {
    const measured = state.latencies[name]
    if (!measured || measured.count === 0) return []
    const cells = [measured.p50, measured.p90, measured.p99, measured.max].map((ms) => formatMs(ms).padStart(10))
    return `  ${padTo(name, 10)}${cells.join('')}`
  })
  if (rows.length === 0) return []
  const heading = ['p50', 'p90', 'p99', 'max'].map((name) => name.padStart(10)).join('')
  return ['', paint('dim', `  ${padTo('last 10 s', 10)}${heading}`), ...rows]
}

function formatInvariants({ invariants }: LiveState, paint: Paint): string[] {
  const rows = invariants.map(({ name, checked, violations, examples }) => {
    // While it is on, one that has judged nothing has neither held nor failed.
    if (violations === 0 && checked === 0) return paint('dim', `  · ${padTo(name, 22)}nothing to judge so far`)
    if (violations === 0)
      return `  ${paint('good', '✓')} ${padTo(name, 22)}${paint('dim', `${formatCount(checked)} checked`)}`
    const first = examples[0]
    const what = first ? `: ${[first.device, first.what].flatMap((one) => (one ? printable(one) : [])).join(', ')}` : ''
    return `  ${paint('bad', '✕')} ${padTo(name, 22)}${paint('bad', `${formatCount(violations)} violations`)}${what}`
  })
  return rows.length > 0 ? ['', ...rows] : []
}

function formatWorkers({ workers }: LiveState, paint: Paint): string[] {
  const rows = workers.map(({ name, cpuShare, rssBytes }) =>
    paint(
      cpuShare > 0.9 ? 'warn' : 'dim',
      `  ${padTo(printable(name), 14)}${formatShare(cpuShare).padStart(8)} of a core${formatBytes(rssBytes).padStart(11)}`,
    ),
  )
  return rows.length > 0 ? ['', ...rows] : []
}
