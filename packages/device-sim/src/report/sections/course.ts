import { renderTimeline } from '../charts/timeline.ts'
import { type Html, html } from '../html.ts'
import type { RunReport } from '../run-report.ts'
import { latencyTimelinesOf, timelinesOf } from '../timelines.ts'
import { renderPhaseStrip, renderPhases, timeAxisOf } from './phases.ts'

/** All that has a time: the phases, and what happened in them, on one axis. */
export function renderCourse(report: RunReport): Html {
  const axis = timeAxisOf(report)
  const measured = latencyTimelinesOf(report)
  if (report.timeline.length === 0)
    return html`${renderPhases(report)}<p class="note">Nothing was recorded by the second.</p>`
  return html`${renderPhases(report)}
<div class="timelines">
${renderPhaseStrip(report)}
${timelinesOf(report).map((timeline) => renderTimeline(timeline, axis))}
</div>
${
  measured.length > 0 &&
  html`<h3 class="part">Latencies over time</h3>
<p class="note">Percentiles of each second, on a log scale; no line where nothing was measured.</p>
<div class="timelines pair">${measured.map((timeline) => renderTimeline(timeline, axis))}</div>`
}`
}
