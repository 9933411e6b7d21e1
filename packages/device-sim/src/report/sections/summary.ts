import { formatBytes, formatCount, formatInstant, formatMs, formatSpan } from '../format.ts'
import { type Html, html } from '../html.ts'
import type { RunReport } from '../run-report.ts'
import { countErrors, sayVerdict } from '../verdict-words.ts'

/** What somebody wants to know who reads no further. */
export function renderSummary(report: RunReport): Html {
  const { scenario, verdict } = report
  const because = verdict.passed ? [] : verdict.reasons.length > 0 ? verdict.reasons : ['No reason was given.']
  return html`<header>
<p class="eyebrow">Muster simulator · run ${report.run}</p>
<h1>${scenario.title || scenario.name}</h1>
<div class="verdict ${verdict.passed ? 'good' : 'bad'}" id="verdict">
<p class="word"><span aria-hidden="true">${verdict.passed ? '✓' : '✕'}</span> ${verdict.passed ? 'Passed' : 'Failed'}</p>
<div><p>${sayVerdict(report)}</p>
${because.length > 0 && html`<ul>${because.slice(0, 50).map((reason) => html`<li>${reason}</li>`)}</ul>`}</div>
</div>
${renderSkipped(report)}
${renderFigures(report)}
${renderFacts(report)}
</header>`
}

/** On a broker that is not Muster: the verdict is about less. */
function renderSkipped({ skipped = [] }: RunReport): Html | undefined {
  if (skipped.length === 0) return
  return html`<div class="skipped"><p>Of the scenario, this was left out:</p><ul>${skipped.slice(0, 50).map((line) => html`<li>${line}</li>`)}</ul></div>`
}

function renderFigures({ totals, timeline, latencies, reasons, scenario, elapsedMs }: RunReport): Html {
  const peak = timeline.reduce((most, { counts }) => Math.max(most, counts.connected), totals.connected)
  const publish = latencies.publish ?? latencies.connect
  const figures: [string, string, string][] = [
    ['Devices', formatCount(scenario.devices), `peak ${formatCount(peak)} online`],
    ['Took', formatSpan(elapsedMs), `${formatCount(totals.connections)} connections`],
    ['Messages', formatCount(totals.published), `${formatCount(totals.acknowledged)} acknowledged`],
    ...(publish
      ? ([
          [
            latencies.publish ? 'Publish, p99' : 'Connect, p99',
            formatMs(publish.percentiles.p99),
            `median ${formatMs(publish.percentiles.p50)}`,
          ],
        ] as [string, string, string][])
      : []),
    [
      'Unexpected errors',
      formatCount(countErrors(reasons, false)),
      `${formatCount(countErrors(reasons, true))} expected`,
    ],
  ]
  return html`<dl class="figures">${figures.map(
    ([name, value, beside]) => html`<div><dt>${name}</dt><dd><b>${value}</b><span>${beside}</span></dd></div>`,
  )}</dl>`
}

function renderFacts({ scenario, machine, platform, startedAt }: RunReport): Html {
  const facts: [string, string][] = [
    ['Scenario', `${scenario.name}, seed ${scenario.seed}`],
    ['Started', formatInstant(startedAt)],
    ['Platform', [platform.url, platform.version && `version ${platform.version}`].filter(Boolean).join(', ')],
    [
      'Load from',
      `${machine.cpus} × ${machine.model}, ${formatBytes(machine.memoryBytes)}, ${machine.os}, Node ${machine.node}`,
    ],
  ]
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}
