import { type Html, html } from './html.ts'

export interface Column {
  title: string
  /** Stands right, so that digits lie below each other. */
  number?: boolean
}

type Cell = Html | string | number

/** The first cell of a row names it. A table that is wider than the screen scrolls by itself, by keyboard too. */
export function renderTable(caption: string, columns: readonly Column[], rows: readonly (readonly Cell[])[]): Html {
  const kind = (index: number) => (columns[index]?.number ? 'number' : 'text')
  return html`<div class="table" role="region" tabindex="0" aria-label="${caption}"><table>
<caption>${caption}</caption>
<thead><tr>${columns.map(({ title }, index) => html`<th scope="col" class="${kind(index)}">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell, index) => (index === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="${kind(index)}">${cell}</td>`))}</tr>`,
  )}</tbody>
</table></div>`
}

export type Mark = 'good' | 'bad' | 'none'
const signs: Record<Mark, string> = { good: '✓', bad: '✕', none: '–' }

/** A word with a sign: the colour is never all there is. */
export const renderMark = (mark: Mark, word: string): Html =>
  html`<span class="sign ${mark}"><span aria-hidden="true">${signs[mark]}</span> ${word}</span>`

/** What is listed, and how much more there would be. */
export function firstOf<One>(all: readonly One[], most: number): { shown: readonly One[]; more: Html | undefined } {
  const left = all.length - most
  return {
    shown: all.slice(0, most),
    more: left > 0 ? html`<p class="note">And ${left} more, in the JSON.</p>` : undefined,
  }
}
