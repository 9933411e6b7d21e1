import { formatCount } from '../format.ts'
import { type Html, html } from '../html.ts'
import type { RunReport } from '../run-report.ts'
import { firstOf, renderTable } from '../table.ts'

export function renderErrors({ reasons }: RunReport): Html {
  return html`${renderGroup(reasons, false, 'Unexpected', 'Nothing in the scenario explains these.', 'None: all that went wrong was meant to.')}
${renderGroup(reasons, true, 'Expected', 'A fault of the scenario, its network, or what the operator did, explains these.', 'None.')}`
}

function renderGroup(
  reasons: RunReport['reasons'],
  expected: boolean,
  title: string,
  about: string,
  none: string,
): Html {
  const group = reasons.filter((one) => one.expected === expected).sort((a, b) => b.count - a.count)
  if (group.length === 0) return html`<h3 class="part">${title}</h3><p class="note">${none}</p>`
  const most = group[0]?.count ?? 1
  const { shown, more } = firstOf(group, 100)
  const rows = shown.map(({ reason, count }) => {
    const [doing = '', ...code] = reason.split(':')
    return [
      html`<code>${code.join(':') || doing}</code>`,
      code.length > 0 ? doing : '–',
      formatCount(count),
      renderBar(count / Math.max(1, most), expected),
    ]
  })
  const columns = [{ title: 'Reason' }, { title: 'While' }, { title: 'Count', number: true }, { title: '' }]
  return html`<h3 class="part">${title}</h3><p class="note">${about}</p>
${renderTable(`${title} errors by reason`, columns, rows)}${more}`
}

const renderBar = (share: number, expected: boolean): Html =>
  html`<svg class="bar" width="120" height="10" aria-hidden="true"><rect class="${expected ? 'expected' : 'unexpected'}" width="${Math.max(1, share * 120).toFixed(1)}" height="10"/></svg>`
