import type { Timeline } from './charts/timeline.ts'

/** What the pointer reads from the timelines, by chart. */
export function readoutOf(timelines: readonly Timeline[], spanMs: number) {
  const charts = timelines.map(({ id, series, format }) => {
    const lines = series.map(({ points }) => ({
      at: points.map(([at]) => at),
      says: points.map(([, value]) => (value === undefined ? '–' : format(value))),
    }))
    return [id, lines] as const
  })
  return { spanMs, charts: Object.fromEntries(charts) }
}
