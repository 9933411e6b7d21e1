import { latencies } from '../observations.ts'
import { formatBytes, formatCount, formatMs, formatRate, formatShare, formatSpan } from './format.ts'
import type { RunReport } from './run-report.ts'
import { countErrors } from './verdict-words.ts'

export type Change = 'better' | 'worse' | 'same' | 'neither'

/** One figure of two runs; undefined: that run does not have it. */
export interface Figure {
  group: 'Latencies' | 'Load' | 'Errors' | 'Resources'
  name: string
  a: number | undefined
  b: number | undefined
  /** Of b against a: 0.1 is a tenth more; undefined where a is nothing. */
  share: number | undefined
  change: Change
  format: (value: number) => string
  isPercentile: boolean
}

export interface Comparison {
  a: RunReport
  b: RunReport
  /** What makes the two runs different experiments. */
  differences: { what: string; a: string; b: string }[]
  figures: Figure[]
}

export function compareReports(a: RunReport, b: RunReport): Comparison {
  return {
    a,
    b,
    differences: listDifferences(a, b),
    figures: [...compareLatencies(a, b), ...compareCounts(a, b), ...compareProcesses(a, b)],
  }
}

/** What got worse by more than `share`: percentiles, and those that are not measured any more; unexpected errors; and the verdict. */
export function findRegressions({ a, b, figures }: Comparison, share: number): string[] {
  const worse = figures.flatMap((figure) => {
    if (!figure.isPercentile || figure.a === undefined) return []
    if (figure.b === undefined) return `${figure.name} is not measured any more`
    const isMore = figure.change === 'worse' && (figure.share === undefined || figure.share > share)
    return isMore ? `${figure.name} went from ${figure.format(figure.a)} to ${figure.format(figure.b)}` : []
  })
  const [before, after] = [countErrors(a.reasons, false), countErrors(b.reasons, false)]
  return [
    ...(a.verdict.passed && !b.verdict.passed ? ['the verdict went from passed to failed'] : []),
    ...(after > before * (1 + share) ? [`unexpected errors went from ${before} to ${after}`] : []),
    ...worse,
  ]
}

function listDifferences(a: RunReport, b: RunReport): Comparison['differences'] {
  const machine = ({ machine: { cpus, model, memoryBytes } }: RunReport) =>
    `${cpus} × ${model}, ${formatBytes(memoryBytes)}`
  const facts: [string, (report: RunReport) => string][] = [
    ['not played', ({ skipped = [] }) => skipped.join('; ') || 'nothing'],
    ['scenario', ({ scenario }) => scenario.name],
    ['seed', ({ scenario }) => String(scenario.seed)],
    ['devices', ({ scenario }) => formatCount(scenario.devices)],
    ['phases', ({ phases }) => phases.map(({ name }) => name).join(', ') || 'none'],
    ['platform', ({ platform }) => [platform.url, platform.version].filter(Boolean).join(', version ')],
    ['machine', machine],
    ['system', ({ machine: { os, node } }) => `${os}, Node ${node}`],
    [
      'workers',
      ({ processes }) => formatCount(processes.filter(({ perDeviceBytes }) => perDeviceBytes !== undefined).length),
    ],
  ]
  const told = facts.map(([what, of]) => ({ what, a: of(a), b: of(b) }))
  const lines = [linesOnlyIn(a, b), linesOnlyIn(b, a)].map((some) => some.join('\n'))
  if (a.scenario.yaml !== b.scenario.yaml)
    told.push({ what: 'its text', a: lines[0] || 'nothing besides', b: lines[1] || 'nothing besides' })
  return told.filter((one) => one.a !== one.b)
}

const linesShown = 12

function linesOnlyIn({ scenario }: RunReport, other: RunReport): string[] {
  const there = new Set(other.scenario.yaml.split('\n').map((line) => line.trim()))
  const only = scenario.yaml.split('\n').flatMap((line) => (there.has(line.trim()) ? [] : line.trim()))
  return [
    ...only.slice(0, linesShown),
    ...(only.length > linesShown ? [`and ${only.length - linesShown} lines more`] : []),
  ]
}

/** Within so much two figures are the same: what a histogram can tell apart, and what machines differ from run to run. */
const tolerance = { latency: 0.04, rate: 0.02, resource: 0.05, exact: 0 } as const

type Wish = 'less' | 'more' | 'neither'

function figure(
  what: Pick<Figure, 'group' | 'name' | 'a' | 'b' | 'format'>,
  wish: Wish,
  within: number,
  isPercentile = false,
): Figure {
  const { a, b } = what
  const share = a !== undefined && b !== undefined && a !== 0 ? b / a - 1 : undefined
  return { ...what, share, isPercentile, change: judge(a, b, wish, within) }
}

function judge(a: number | undefined, b: number | undefined, wish: Wish, within: number): Change {
  if (a === undefined || b === undefined) return 'neither'
  if (Math.abs(b - a) <= within * Math.max(a, b)) return 'same'
  if (wish === 'neither') return 'neither'
  return b < a === (wish === 'less') ? 'better' : 'worse'
}

function compareLatencies(a: RunReport, b: RunReport): Figure[] {
  return latencies
    .filter((name) => a.latencies[name] || b.latencies[name])
    .flatMap((name) =>
      (['p50', 'p90', 'p99', 'max'] as const).map((percentile) => {
        const of = (report: RunReport) => {
          const found = report.latencies[name]?.percentiles
          return found && found.count > 0 ? found[percentile] : undefined
        }
        const what = {
          group: 'Latencies',
          name: `${name} ${percentile}`,
          a: of(a),
          b: of(b),
          format: formatMs,
        } as const
        return figure(what, 'less', tolerance.latency, percentile !== 'max')
      }),
    )
}

function compareCounts(a: RunReport, b: RunReport): Figure[] {
  const perSecond = (count: number, { elapsedMs }: RunReport) => (elapsedMs > 0 ? (count * 1_000) / elapsedMs : 0)
  const working = ({ ends }: RunReport) => {
    const all = Object.values(ends).reduce((sum, count) => sum + count, 0)
    return all > 0 ? ends.working / all : undefined
  }
  const violations = ({ invariants }: RunReport) => invariants.reduce((sum, one) => sum + one.violations, 0)
  type Row = [Figure['group'], string, (report: RunReport) => number | undefined, Figure['format'], Wish, number]
  const rows: Row[] = [
    ['Load', 'took', (report) => report.elapsedMs, formatSpan, 'neither', tolerance.rate],
    [
      'Load',
      'messages acknowledged',
      (report) => perSecond(report.totals.acknowledged, report),
      formatRate,
      'more',
      tolerance.rate,
    ],
    ['Load', 'connections', (report) => report.totals.connections, formatCount, 'neither', tolerance.exact],
    ['Load', 'most connected', peakConnected, formatCount, 'more', tolerance.rate],
    ['Load', 'messages skipped', (report) => report.totals.skipped, formatCount, 'less', tolerance.exact],
    ['Load', 'devices working in the end', working, formatShare, 'more', tolerance.exact],
    ['Errors', 'unexpected', (report) => countErrors(report.reasons, false), formatCount, 'less', tolerance.exact],
    ['Errors', 'expected', (report) => countErrors(report.reasons, true), formatCount, 'neither', tolerance.exact],
    ['Errors', 'invariants violated', violations, formatCount, 'less', tolerance.exact],
  ]
  return rows.map(([group, name, of, format, wish, within]) =>
    figure({ group, name, a: of(a), b: of(b), format }, wish, within),
  )
}

const peakConnected = ({ timeline, totals }: RunReport) =>
  timeline.reduce((most, { counts }) => Math.max(most, counts.connected), totals.connected)

/** By name: which worker played which devices is the same in both, where they are the same scenario. */
function compareProcesses(a: RunReport, b: RunReport): Figure[] {
  const names = new Set([...a.processes, ...b.processes].map(({ name }) => name))
  const read = (report: RunReport, name: string) => report.processes.find((one) => one.name === name)
  return [...names].slice(0, 50).flatMap((name) => {
    const [one, other] = [read(a, name), read(b, name)]
    const row = (
      what: string,
      of: (process: RunReport['processes'][number], report: RunReport) => number | undefined,
      format: Figure['format'],
    ) =>
      figure(
        { group: 'Resources', name: `${name}, ${what}`, a: one && of(one, a), b: other && of(other, b), format },
        'less',
        tolerance.resource,
      )
    const rows = [
      row('CPU of a core', ({ cpuMs }, { elapsedMs }) => (elapsedMs > 0 ? cpuMs / elapsedMs : undefined), formatShare),
      row('memory', ({ rssPeakBytes }) => rssPeakBytes, formatBytes),
      row('memory per device', ({ perDeviceBytes }) => perDeviceBytes, formatBytes),
    ]
    return rows.filter((figures) => figures.a !== undefined || figures.b !== undefined)
  })
}
