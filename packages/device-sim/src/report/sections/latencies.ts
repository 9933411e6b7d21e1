import { type LatencyName, latencies } from '../../observations.ts'
import { type HistogramMark, renderHistogram, scaleOfHistograms } from '../charts/histogram.ts'
import { formatCount, formatMs } from '../format.ts'
import { type Html, html } from '../html.ts'
import type { RunReport } from '../run-report.ts'
import { type Column, renderTable } from '../table.ts'
import { latencyWords } from '../timelines.ts'

const columns: Column[] = [
  { title: 'Time to' },
  ...['Count', 'p50', 'p90', 'p99', 'Max'].map((title) => ({ title, number: true })),
]

export function renderLatencies(report: RunReport): Html {
  const names = latencies.filter((name) => report.latencies[name])
  if (names.length === 0) return html`<p class="note">Nothing was timed.</p>`
  const limits = report.slos.flatMap(({ limit }) => (limit ? [limit.ms] : []))
  const scale = scaleOfHistograms(
    names.map((name) => report.latencies[name]?.buckets ?? []),
    limits,
  )
  const rows = names.map((name) => {
    const { count, p50, p90, p99, max } = percentilesIn(report, name)
    return [latencyWords[name].title, formatCount(count), ...[p50, p90, p99, max].map(formatMs)]
  })
  return html`${renderTable('Latencies', columns, rows)}
<p class="note">Bars show how many took so long, on a log scale that is the same for all; each is at least a pixel high, so that a single one is seen.</p>
<div class="histograms">${names.map((name) => renderOne(report, name, scale))}</div>`
}

const percentilesIn = (report: RunReport, name: LatencyName) =>
  report.latencies[name]?.percentiles ?? { count: 0, p50: 0, p90: 0, p99: 0, max: 0 }

function renderOne(report: RunReport, name: LatencyName, scale: Parameters<typeof renderHistogram>[1]): Html {
  const { count, p50, p99 } = percentilesIn(report, name)
  const { title, meaning } = latencyWords[name]
  const limits = report.slos.flatMap(({ limit }) => (limit?.latency === name ? [limit] : []))
  const marks: HistogramMark[] = [
    ...limits.map(({ percentile, ms }) => ({ label: `limit: ${percentile} ≤`, ms, kind: 'limit' }) as const),
    { label: 'p50', ms: p50, kind: 'percentile' },
    { label: 'p99', ms: p99, kind: 'percentile' },
  ]
  const layers = [report.latencies[name]?.buckets ?? []]
  return html`<figure class="chart"><figcaption><h3>${title}</h3><p>${formatCount(count)} times</p><p class="meaning">${meaning}</p></figcaption>
${renderHistogram({ title, words: `${formatCount(count)} times`, layers, marks }, scale)}</figure>`
}
