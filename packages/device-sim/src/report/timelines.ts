import type { Percentiles } from '../measure/latency.ts'
import { type LatencyName, latencies } from '../observations.ts'
import type { Counts } from '../worker/messages.ts'
import type { Series, Timeline } from './charts/timeline.ts'
import { formatCount, formatMs, formatRate } from './format.ts'
import type { RunReport, TimelinePoint } from './run-report.ts'

/** More points than a chart has pixels are not drawn: counts are those at the end of a stretch, times its worst second. */
export function thinTimeline(timeline: readonly TimelinePoint[], most = 600): TimelinePoint[] {
  const size = Math.ceil(timeline.length / most)
  if (size <= 1) return [...timeline]
  const stretches = Array.from({ length: Math.ceil(timeline.length / size) }, (_, index) =>
    timeline.slice(index * size, (index + 1) * size),
  )
  return stretches.flatMap((stretch) => {
    const last = stretch.at(-1)
    if (!last) return []
    const measured = latencies.flatMap((name) => {
      const percentiles = stretch.flatMap((point) => point.latencies[name] ?? [])
      return percentiles.length > 0 ? [[name, percentiles.reduce(worse)] as const] : []
    })
    return [{ ...last, latencies: Object.fromEntries(measured) }]
  })
}

const worse = (a: Percentiles, b: Percentiles): Percentiles => ({
  count: a.count + b.count,
  p50: Math.max(a.p50, b.p50),
  p90: Math.max(a.p90, b.p90),
  p99: Math.max(a.p99, b.p99),
  max: Math.max(a.max, b.max),
})

type Points = Series['points']

/** What one run's lines are made of. */
export interface Lines {
  count(name: keyof Counts): Points
  /** A second, between two points. */
  rate(of: (point: TimelinePoint) => number): Points
  latency(name: LatencyName, percentile: 'p50' | 'p99'): Points
}

export function linesOf(report: RunReport): Lines {
  const timeline = thinTimeline(report.timeline)
  const sinceStart = (point: TimelinePoint) => point.at - report.startedAt
  return {
    count: (name) => timeline.map((point) => [sinceStart(point), point.counts[name]]),
    rate: (of) =>
      timeline.map((point, index) => {
        const before = timeline[index - 1]
        const ms = point.at - (before?.at ?? report.startedAt)
        const grown = Math.max(0, of(point) - (before ? of(before) : 0))
        return [sinceStart(point), ms > 0 ? (grown * 1_000) / ms : undefined]
      }),
    latency: (name, percentile) => timeline.map((point) => [sinceStart(point), point.latencies[name]?.[percentile]]),
  }
}

export const peakOf = (points: Points) => points.reduce((most, [, value]) => Math.max(most, value ?? 0), 0)
const peak = (points: Points, format: (value: number) => string) => `peak ${format(peakOf(points))}`

type Line = [name: string, points: Points, says: string]
const hues = ['one', 'two', 'three'] as const

const draw = (lines: readonly Line[]): Series[] =>
  lines.flatMap(([name, points, says], index) => {
    const hue = hues[index]
    return hue ? [{ name, hue, points, says, ...(index === 0 && { shape: 'area' }) }] : []
  })

/** What happened, second by second. A line that is zero all the time is not drawn. */
export function timelinesOf(report: RunReport): Timeline[] {
  const lines = linesOf(report)
  const rate = (name: keyof Counts, word: string): Line[] => {
    const points = lines.rate(({ counts }) => counts[name])
    return peakOf(points) > 0 ? [[word, points, peak(points, formatRate)]] : []
  }
  const errors = (kind: 'expected' | 'unexpected', hue: 'quiet' | 'two'): Series => {
    const points = lines.rate((point) => point.errors[kind])
    return {
      name: kind,
      hue,
      points,
      says: `${formatCount(report.timeline.at(-1)?.errors[kind] ?? 0)} in all`,
      shape: 'stems',
    }
  }
  const connected = lines.count('connected')
  const enrolled = lines.count('enrolled')
  const rates = { format: formatRate, scale: 'linear' } as const
  const charts: Timeline[] = [
    {
      id: 'devices-over-time',
      title: 'Devices',
      format: formatCount,
      scale: 'whole',
      series: draw([
        ['connected', connected, peak(connected, formatCount)],
        ['enrolled', enrolled, `${formatCount(report.totals.enrolled)} in all`],
      ]),
    },
    {
      id: 'messages-over-time',
      title: 'Messages',
      ...rates,
      series: draw([
        ...rate('acknowledged', 'acknowledged'),
        ...rate('published', 'published'),
        ...rate('received', 'received by devices'),
      ]),
    },
    {
      id: 'connections-over-time',
      title: 'Enrolments and connections',
      ...rates,
      series: draw([
        ...rate('connections', 'connections'),
        ...rate('enrolled', 'enrolments'),
        ...rate('renewals', 'renewals'),
      ]),
    },
    {
      id: 'errors-over-time',
      title: 'Errors',
      ...rates,
      series: [errors('unexpected', 'two'), errors('expected', 'quiet')],
    },
  ]
  return charts.filter(({ series }) => series.some(({ points }) => peakOf(points) > 0))
}

/** One chart for each thing that was timed. */
export function latencyTimelinesOf(report: RunReport): Timeline[] {
  const lines = linesOf(report)
  return latencies.flatMap((name): Timeline[] => {
    const measured = report.latencies[name]
    const points = { p50: lines.latency(name, 'p50'), p99: lines.latency(name, 'p99') }
    if (!measured || points.p50.every(([, value]) => value === undefined)) return []
    const { p50, p99 } = measured.percentiles
    return [
      {
        id: `${name}-over-time`,
        title: latencyWords[name].title,
        format: formatMs,
        scale: 'log',
        series: [
          { name: 'p50', hue: 'one', says: formatMs(p50), points: points.p50 },
          { name: 'p99', hue: 'two', says: formatMs(p99), points: points.p99 },
        ],
      },
    ]
  })
}

export const latencyWords: Record<LatencyName, { title: string; meaning: string }> = {
  enrol: { title: 'Enrol', meaning: 'first request until the certificate is stored, retries and waiting included' },
  connect: { title: 'Connect', meaning: 'TCP connect until CONNACK, with a full handshake' },
  resume: { title: 'Resume', meaning: 'TCP connect until CONNACK, with the TLS session of before' },
  publish: { title: 'Publish', meaning: 'PUBLISH until it is acknowledged (QoS 1 and 2)' },
  renew: { title: 'Renew', meaning: 'request until the new certificate is stored' },
  command: { title: 'Command', meaning: 'a command leaves until its answer is there' },
  revoke: { title: 'Revoke', meaning: "the API's answer until the device's connection is closed" },
}
