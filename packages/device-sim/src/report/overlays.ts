import { latencies } from '../observations.ts'
import type { Series, Timeline } from './charts/timeline.ts'
import { formatCount, formatMs, formatRate } from './format.ts'
import type { RunReport } from './run-report.ts'
import { type Lines, latencyWords, linesOf, peakOf } from './timelines.ts'

/** Both runs in one chart, from the start of each. */
export function overlaysOf(a: RunReport, b: RunReport): Timeline[] {
  const [linesOfA, linesOfB] = [linesOf(a), linesOf(b)]
  const draw = (
    chart: Pick<Timeline, 'id' | 'title' | 'format' | 'scale'>,
    of: (lines: Lines) => Series['points'],
  ): Timeline[] => {
    const [one, other] = [of(linesOfA), of(linesOfB)]
    const says = (points: Series['points']) => `peak ${chart.format(peakOf(points))}`
    const series: Series[] = [
      { name: 'A', hue: 'one', points: one, says: says(one) },
      { name: 'B', hue: 'two', points: other, says: says(other) },
    ]
    return series.some(({ points }) => peakOf(points) > 0) ? [{ ...chart, series }] : []
  }
  const rate = { format: formatRate, scale: 'linear' } as const
  return [
    ...draw({ id: 'connected', title: 'Devices connected', format: formatCount, scale: 'whole' }, (lines) =>
      lines.count('connected'),
    ),
    ...draw({ id: 'acknowledged', title: 'Messages acknowledged', ...rate }, (lines) =>
      lines.rate(({ counts }) => counts.acknowledged),
    ),
    ...draw({ id: 'connections', title: 'Connections', ...rate }, (lines) =>
      lines.rate(({ counts }) => counts.connections),
    ),
    ...draw({ id: 'unexpected', title: 'Unexpected errors', ...rate }, (lines) =>
      lines.rate(({ errors }) => errors.unexpected),
    ),
    ...latencies.flatMap((name) =>
      draw({ id: `${name}-p99`, title: `${latencyWords[name].title}, p99`, format: formatMs, scale: 'log' }, (lines) =>
        lines.latency(name, 'p99'),
      ),
    ),
  ]
}
