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

/** One that should have judged something and has not is no success. */
export function renderState({ held, checked, violations }: InvariantVerdict): Html {
  if (violations > 0) return renderMark('bad', 'violated')
  if (!held) return renderMark('bad', 'not judged')
  return checked === 0 ? renderMark('none', 'nothing to judge') : renderMark('good', 'held')
}

function renderInvariant(invariant: InvariantVerdict, startedAt: number): Html {
  const { name, statement, checked, violations, examples } = invariant
  const { shown, more } = firstOf(examples, 20)
  const judged = checked === 0 ? 'nothing was there to be judged' : `${formatCount(checked)} checked`
  const rows = shown.map(({ at, device, what }) => [formatClock(at - startedAt), device ?? '–', what])
  return html`<li><div class="line"><h3>${name}</h3> ${renderState(invariant)}</div>
<div><p>${statement}</p>
<p class="note">${judged}${violations > 0 && `, ${formatCount(violations)} violated it`}</p>
${rows.length > 0 && renderTable(`The first that violated ${name}`, [{ title: 'At' }, { title: 'Device' }, { title: 'What' }], rows)}
${more}</div></li>`
}
