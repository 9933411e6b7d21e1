import { hash } from 'node:crypto'
import { type Html, html, textOf, trusted } from './html.ts'
import { script } from './script.ts'
import { style } from './style.ts'

export interface Page {
  title: string
  header: Html
  sections: readonly { id: string; title: string; body: Html }[]
  /** Elements that are not seen. */
  data: readonly Html[]
}

const sha256 = (text: string) => `'sha256-${hash('sha256', text, 'base64')}'`

/** One file that asks nobody for anything: what is not in it cannot be loaded, and no other script or style works in it. */
export function renderPage({ title, header, sections, data }: Page): string {
  const policy = [
    `default-src 'none'`,
    `style-src ${sha256(style)}`,
    `script-src ${sha256(script)}`,
    `base-uri 'none'`,
    `form-action 'none'`,
  ]
  return textOf(html`<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy.join('; '))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body>
<main>
${header}
<nav aria-label="Sections"><ul>${sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
${sections.map(
  ({
    id,
    title: name,
    body,
  }) => html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2>
${body}
</section>`,
)}
</main>
${data}
<script>${trusted(script)}</script>
</body>
</html>
`)
}
