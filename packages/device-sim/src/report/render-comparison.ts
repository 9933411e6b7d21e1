import { latencies } from '../observations.ts'
import { renderHistogram, scaleOfHistograms } from './charts/histogram.ts'
import { renderTimeline, type Timeline } from './charts/timeline.ts'
import { type Comparison, compareReports, type Figure } from './compare-reports.ts'
import { changeWords, formatDifference, formatFigure, formatPercent } from './figure-words.ts'
import { formatCount, formatInstant } from './format.ts'
import { embedJson, type Html, html } from './html.ts'
import { overlaysOf } from './overlays.ts'
import { renderPage } from './page.ts'
import { readoutOf } from './readout.ts'
import type { RunReport } from './run-report.ts'
import { renderState } from './sections/judgement.ts'
import { renderPhaseStrip } from './sections/phases.ts'
import { firstOf, type Mark, renderMark, renderTable } from './table.ts'
import { latencyWords } from './timelines.ts'
import { sayVerdict } from './verdict-words.ts'

/** Two runs on one page: what differs between them is said before what came of it. */
export function renderComparison(a: RunReport, b: RunReport): string {
  const comparison = compareReports(a, b)
  const spanMs = Math.max(a.elapsedMs, b.elapsedMs)
  const overlays = overlaysOf(a, b)
  const draw = (...scales: Timeline['scale'][]) =>
    overlays
      .filter(({ scale }) => scales.includes(scale))
      .map((timeline) => renderTimeline(timeline, { spanMs, marks: [] }))
  return renderPage({
    title: `${a.run} and ${b.run}`,
    header: renderHeader(comparison),
    sections: [
      { id: 'differences', title: 'What differs', body: renderDifferences(comparison) },
      { id: 'figures', title: 'Figures', body: renderFigures(comparison) },
      {
        id: 'course',
        title: 'Course of the runs',
        body: html`<div class="timelines"><div class="strips">${renderPhaseStrip(a, spanMs, 'A')}${renderPhaseStrip(b, spanMs, 'B')}</div>
${draw('whole', 'linear')}</div><div class="timelines pair">${draw('log')}</div>`,
      },
      { id: 'latencies', title: 'Latencies', body: renderHistograms(a, b) },
      { id: 'judgement', title: 'Invariants and limits', body: renderJudgement(a, b) },
      { id: 'errors', title: 'Errors', body: renderReasons(a, b) },
    ],
    data: [embedJson('readout', readoutOf(overlays, spanMs))],
  })
}

function renderHeader({ a, b, figures }: Comparison): Html {
  const count = (change: Figure['change']) => figures.filter((figure) => figure.change === change).length
  const run = (name: string, report: RunReport) => html`<div class="verdict ${report.verdict.passed ? 'good' : 'bad'}">
<p class="word">${name} <span aria-hidden="true">${report.verdict.passed ? '✓' : '✕'}</span> ${report.verdict.passed ? 'Passed' : 'Failed'}</p>
<div><p>${sayVerdict(report)}</p><p class="note">${report.scenario.title || report.scenario.name}, run ${report.run}, ${formatInstant(report.startedAt)}</p></div>
</div>`
  return html`<header><p class="eyebrow">Muster simulator · two runs</p>
<h1>B is better in ${count('better')} figures, worse in ${count('worse')}</h1>
<div class="verdicts">${run('A', a)}${run('B', b)}</div></header>`
}

function renderDifferences({ differences }: Comparison): Html {
  if (differences.length === 0)
    return html`<p>Nothing: the same scenario with the same seed, on the same machine and platform.</p>`
  const rows = differences.map(({ what, a, b }) => [
    what,
    html`<span class="lines">${a}</span>`,
    html`<span class="lines">${b}</span>`,
  ])
  return html`<p class="note">Figures of different experiments say little about each other.</p>
${renderTable('What differs between the two runs', [{ title: 'What' }, { title: 'A' }, { title: 'B' }], rows)}`
}

const marks: Record<Figure['change'], Mark> = { better: 'good', worse: 'bad', same: 'none', neither: 'none' }

function renderFigures({ figures }: Comparison): Html {
  const groups = [...new Set(figures.map(({ group }) => group))]
  const number = (title: string) => ({ title, number: true })
  const columns = [{ title: 'Figure' }, number('A'), number('B'), number('Difference'), number('%'), { title: 'B is' }]
  return html`<p class="note">The same: within what can be measured, which is 4 % for times, 2 % for rates, and 5 % for CPU and memory.</p>
${groups.map((group) => {
  const rows = figures
    .filter((figure) => figure.group === group)
    .map((figure) => [
      figure.name,
      formatFigure(figure.a, figure),
      formatFigure(figure.b, figure),
      formatDifference(figure),
      formatPercent(figure),
      figure.change === 'neither' ? '' : renderMark(marks[figure.change], changeWords[figure.change]),
    ])
  return html`<h3 class="part">${group}</h3>${renderTable(group, columns, rows)}`
})}`
}

function renderHistograms(a: RunReport, b: RunReport): Html {
  const names = latencies.filter((name) => a.latencies[name] || b.latencies[name])
  const bucketsOf = (report: RunReport, name: (typeof names)[number]) => report.latencies[name]?.buckets ?? []
  const scale = scaleOfHistograms(
    names.flatMap((name) => [bucketsOf(a, name), bucketsOf(b, name)]),
    [],
  )
  const figures = names.map((name) => {
    const p99 = (label: string, report: RunReport) => {
      const ms = report.latencies[name]?.percentiles.p99
      return ms === undefined ? [] : [{ label: `${label} p99`, ms, kind: 'percentile' as const }]
    }
    const times = (report: RunReport) => formatCount(report.latencies[name]?.percentiles.count ?? 0)
    const words = `A ${times(a)} times, B ${times(b)} times`
    const layers = [bucketsOf(a, name), bucketsOf(b, name)]
    const { title } = latencyWords[name]
    return html`<figure class="chart"><figcaption><h3>${title}</h3><p>${words}</p></figcaption>
${renderHistogram({ title, words, layers, marks: [...p99('A', a), ...p99('B', b)] }, scale)}</figure>`
  })
  return html`<p class="note">A is filled, B is the outline; each by the share of its own.</p><div class="histograms">${figures}</div>`
}

function renderJudgement(a: RunReport, b: RunReport): Html {
  const invariants = new Set([...a.invariants, ...b.invariants].map(({ name }) => name))
  const held = (report: RunReport, name: string): Html | string => {
    const one = report.invariants.find((invariant) => invariant.name === name)
    return one ? html`${renderState(one)}, ${formatCount(one.checked)} checked` : '–'
  }
  const slos = new Set([...a.slos, ...b.slos].map(({ name }) => name))
  const met = (report: RunReport, name: string): Html | string => {
    const one = report.slos.find((slo) => slo.name === name)
    return one ? renderMark(one.met ? 'good' : 'bad', `${one.found} (${one.wanted})`) : '–'
  }
  const rows = [
    ...[...invariants].map((name) => [name, held(a, name), held(b, name)]),
    ...[...slos].map((name) => [name, met(a, name), met(b, name)]),
  ]
  return renderTable('Invariants and limits', [{ title: '' }, { title: 'A' }, { title: 'B' }], rows)
}

function renderReasons(a: RunReport, b: RunReport): Html {
  const all = new Map<string, { a: number; b: number; expected: boolean }>()
  for (const [side, report] of [
    ['a', a],
    ['b', b],
  ] as const) {
    for (const { reason, count, expected } of report.reasons) {
      const key = `${expected}:${reason}`
      const one = all.get(key) ?? { a: 0, b: 0, expected }
      one[side] += count
      all.set(key, one)
    }
  }
  const sorted = [...all].sort(([, x], [, y]) => Number(x.expected) - Number(y.expected) || y.a + y.b - x.a - x.b)
  if (sorted.length === 0) return html`<p class="note">None in either.</p>`
  const { shown, more } = firstOf(sorted, 100)
  const rows = shown.map(([key, one]) => [
    html`<code>${key.slice(key.indexOf(':') + 1)}</code>`,
    one.expected ? 'expected' : renderMark('bad', 'unexpected'),
    formatCount(one.a),
    formatCount(one.b),
  ])
  const columns = [{ title: 'Reason' }, { title: '' }, { title: 'A', number: true }, { title: 'B', number: true }]
  return html`${renderTable('Errors of both runs by reason', columns, rows)}${more}`
}
