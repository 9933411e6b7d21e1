import { printable } from '@muster/contracts'

const markup = Symbol('markup')

/** Markup that this program has written. Its mark is a symbol, so that nothing read from a file can pass for it. */
export interface Html {
  readonly [markup]: string
}

type Value = Html | string | number | false | undefined | readonly Value[]

/** Whatever is put in is text, unless it is markup itself. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return { [markup]: String.raw({ raw: parts }, ...values.map(toMarkup)) }
}

/** Styles and scripts of our own: nothing from a report may come near this. */
export const trusted = (text: string): Html => ({ [markup]: text })

export const textOf = (page: Html) => page[markup]

function toMarkup(value: Value): string {
  if (value === undefined || value === false) return ''
  if (typeof value === 'object') return markup in value ? value[markup] : value.map(toMarkup).join('')
  return escapeHtml(String(value))
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Also what would turn the direction of the text around it, or could not be seen. */
function escapeHtml(text: string): string {
  const visible = text.split(/([\n\t])/).map((part) => (part === '\n' || part === '\t' ? part : printable(part)))
  return visible.join('').replace(/[&<>"']/g, (character) => entities[character] ?? '')
}

/** Into a `<script type="application/json">`: nothing in it can end the element, or begin another. */
export function embedJson(id: string, value: unknown): Html {
  const text = serialise(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return html`<script type="application/json" id="${id}">${trusted(text)}</script>`
}

/** Times are good to within 2 %: their sixteenth digit would only make the file longer. */
export function serialise(value: unknown, indent?: number): string {
  const round = (one: number) => (Math.abs(one) < 10_000 ? Number(one.toPrecision(5)) : Math.round(one))
  return JSON.stringify(
    value,
    (_, one) => (typeof one === 'number' && !Number.isInteger(one) ? round(one) : one),
    indent,
  )
}
