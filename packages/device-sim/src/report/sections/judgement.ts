import type { InvariantVerdict } from '../../invariants/invariant.ts'
import { formatClock, formatCount } from '../format.ts'
import { type Html, html } from '../html.ts'
import type { RunReport } from '../run-report.ts'
import { firstOf, renderMark, renderTable } from '../table.ts'

export function renderSlos({ slos }: RunReport): Html {
  if (slos.length === 0) return html`<p class="note">The scenario sets no limits.</p>`
  const columns = [{ title: 'Limit' }, { title: 'Wanted' }, { title: 'Found' }, { title: 'Met' }]
  const rows = slos.map(({ name, wanted, found, met }) => [
    name,
    wanted,
    found,
    met ? renderMark('good', 'yes') : renderMark('bad', 'no'),
  ])
  return renderTable('Limits', columns, rows)
}

/** What was judged, and where it was violated what was seen. */
export function renderInvariants({ invariants, startedAt }: RunReport): Html {
  if (invariants.length === 0) return html`<p class="note">No invariant was watched.</p>`
  return html`<ol class="invariants">${invariants.map((invariant) => renderInvariant(invariant, startedAt))}</ol>`
}

function renderInvariant(
  { name, statement, held, checked, violations, examples }: InvariantVerdict,
  startedAt: number,
): Html {
  const { shown, more } = firstOf(examples, 20)
  const judged = checked === 0 ? 'nothing to judge' : `${formatCount(checked)} checked`
  const mark = !held
    ? renderMark('bad', 'violated')
    : checked === 0
      ? renderMark('none', 'not judged')
      : renderMark('good', 'held')
  const rows = shown.map(({ at, device, what }) => [formatClock(at - startedAt), device ?? '–', what])
  return html`<li><div class="line"><h3>${name}</h3> ${mark}</div>
<div><p>${statement}</p>
<p class="note">${judged}${violations > 0 && `, ${formatCount(violations)} violated it`}</p>
${rows.length > 0 && renderTable(`The first that violated ${name}`, [{ title: 'At' }, { title: 'Device' }, { title: 'What' }], rows)}
${more}</div></li>`
}
