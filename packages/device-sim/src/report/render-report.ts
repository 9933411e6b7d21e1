import { embedJson, html } from './html.ts'
import { renderPage } from './page.ts'
import { readoutOf } from './readout.ts'
import type { RunReport } from './run-report.ts'
import { renderCourse } from './sections/course.ts'
import { renderErrors } from './sections/errors.ts'
import { renderInvariants, renderSlos } from './sections/judgement.ts'
import { renderLatencies } from './sections/latencies.ts'
import { renderEnds, renderProcesses } from './sections/resources.ts'
import { renderSummary } from './sections/summary.ts'
import { latencyTimelinesOf, timelinesOf } from './timelines.ts'

/** One HTML page with everything in it, the report itself included. Its charts are drawn here: it needs no script. */
export function renderReport(report: RunReport): string {
  const { scenario, verdict } = report
  return renderPage({
    title: `${verdict.passed ? 'Passed' : 'Failed'}: ${scenario.title || scenario.name}`,
    header: renderSummary(report),
    sections: [
      { id: 'invariants', title: 'Invariants', body: renderInvariants(report) },
      { id: 'limits', title: 'Limits', body: renderSlos(report) },
      { id: 'course', title: 'Course of the run', body: renderCourse(report) },
      { id: 'latencies', title: 'Latencies', body: renderLatencies(report) },
      { id: 'errors', title: 'Errors', body: renderErrors(report) },
      { id: 'devices', title: 'Devices', body: renderEnds(report) },
      { id: 'processes', title: 'Processes', body: renderProcesses(report) },
      { id: 'scenario', title: 'Scenario', body: html`<pre tabindex="0">${scenario.yaml}</pre>` },
      {
        id: 'data',
        title: 'Data',
        body: html`<p>This page holds the whole report as JSON, as in <code>report.json</code>.</p>
<p><a id="download" hidden download="report.json">Download report.json</a></p>`,
      },
    ],
    data: [
      embedJson('report', report),
      embedJson('readout', readoutOf([...timelinesOf(report), ...latencyTimelinesOf(report)], report.elapsedMs)),
    ],
  })
}
