import type { TimeAxis } from '../charts/timeline.ts'
import { formatClock, formatSpan } from '../format.ts'
import { type Html, html } from '../html.ts'
import type { RunReport } from '../run-report.ts'
import { type Column, renderTable } from '../table.ts'

export const timeAxisOf = ({ phases, startedAt, elapsedMs }: RunReport): TimeAxis => ({
  spanMs: elapsedMs,
  marks: phases.map((phase) => phase.startedAt - startedAt),
})

/** A strip above the timelines, as wide as they are. Each name is cut where its phase ends. */
export function renderPhaseStrip({ phases, startedAt, elapsedMs }: RunReport, spanMs = elapsedMs, run = ''): Html {
  const share = (at: number) => Math.min(100, Math.max(0, (100 * (at - startedAt)) / Math.max(1, spanMs)))
  const bands = phases.map((phase, index) => {
    const [from, to] = [share(phase.startedAt), share(phase.endedAt)]
    return html`<svg x="${from.toFixed(2)}%" width="${Math.max(0, to - from).toFixed(2)}%" height="26"><rect class="band${phase.problem !== undefined && ' bad'}" width="100%" height="26"/><text x="7" y="17">${index + 1} ${phase.name}</text></svg>`
  })
  const name = run && html`<text x="-10" y="17" text-anchor="end">${run}</text>`
  return html`<svg class="strip" width="100%" height="26" aria-hidden="true">${name}${bands}</svg>`
}

const columns: Column[] = [
  { title: 'Phase' },
  { title: 'From', number: true },
  { title: 'Took', number: true },
  { title: 'Ended' },
]

export function renderPhases({ phases, startedAt }: RunReport): Html {
  const rows = phases.map((phase, index) => [
    `${index + 1} ${phase.name}`,
    formatClock(phase.startedAt - startedAt),
    formatSpan(phase.endedAt - phase.startedAt),
    phase.problem === undefined ? 'as planned' : html`<span class="bad">${phase.problem}</span>`,
  ])
  return renderTable('Phases', columns, rows)
}
