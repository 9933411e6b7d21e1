// Hues after Okabe and Ito, which people who confuse red and green tell apart; lines also differ in their dashes.
const light = `
  --paper: #fdfcfa; --raised: #f6f4ef; --ink: #1b1f24; --soft: #565e67; --rule: #e2ded6; --grid: #e9e6df; --band: #efece5;
  --one: #1667ac; --two: #b64a0e; --three: #0b7757; --quiet: #9aa1a9; --good: #0b6a4d; --bad: #a6340b; --shade: #1b1f2426; --good-wash: #e9f3ee; --bad-wash: #fbeee8;`
const dark = `
  --paper: #121518; --raised: #1a1e22; --ink: #e8e6e2; --soft: #a6aeb7; --rule: #2d3339; --grid: #262b31; --band: #20252a;
  --one: #76b7f2; --two: #f39d68; --three: #5fcba5; --quiet: #737c85; --good: #66d0aa; --bad: #f8a47e; --shade: #000a; --good-wash: #16261f; --bad-wash: #2b1c15;`

const text = `
* { box-sizing: border-box; }
html { font: 100%/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; color: var(--ink); background: var(--paper);
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%; font-variant-numeric: tabular-nums lining-nums; }
body { margin: 0; }
main { max-width: 70rem; margin: 0 auto; padding: clamp(1.25rem, 4vw, 4rem) clamp(1rem, 4vw, 3rem) 5rem; overflow-wrap: anywhere; }
h1 { margin: .15rem 0 1.5rem; font-size: clamp(1.7rem, 5vw, 2.5rem); line-height: 1.15; font-weight: 650; letter-spacing: -.02em; text-wrap: balance; }
h2 { margin: 0 0 1rem; font-size: 1.35rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
h3 { margin: 0; font-size: 1rem; font-weight: 620; }
h3.part { margin: 2rem 0 .25rem; }
p { margin: .25rem 0; max-width: 44rem; }
a { color: var(--one); text-underline-offset: .2em; }
a:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--one); outline-offset: 3px; border-radius: 2px; }
code, pre { font-family: ui-monospace, 'SF Mono', 'Cascadia Code', Menlo, Consolas, monospace; font-size: .875em; }
section { margin-top: 3.25rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); scroll-margin-top: 1rem; }
nav { margin-top: 2.5rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; margin: 0; padding: 0; list-style: none; font-size: .95rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
.eyebrow, .note, .chart figcaption p { color: var(--soft); font-size: .9rem; }
.eyebrow { margin: 0; }
.good { color: var(--good); }
.bad { color: var(--bad); }
pre { margin: 0; padding: 1rem 1.1rem; max-height: 36rem; overflow: auto; background: var(--raised); border-radius: 6px; white-space: pre-wrap; line-height: 1.5; }
`

const summary = `
.verdict { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1.5rem; align-items: baseline; padding: 1.1rem 1.35rem; border-radius: 6px; color: var(--ink); }
.verdict.good { background: var(--good-wash); box-shadow: inset 4px 0 var(--good); }
.verdict.bad { background: var(--bad-wash); box-shadow: inset 4px 0 var(--bad); }
.verdict p { margin: 0; max-width: none; text-wrap: pretty; }
.verdict .word { font-size: 1.35rem; font-weight: 680; white-space: nowrap; }
.verdict.good .word { color: var(--good); }
.verdict.bad .word { color: var(--bad); }
.verdict ul { margin: .4rem 0 0; padding-left: 1.1rem; }
.skipped { margin: 1.25rem 0 0; color: var(--soft); font-size: .95rem; }
.skipped ul { margin: .25rem 0 0; padding-left: 1.1rem; }
.verdicts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
.lines { white-space: pre-line; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.5rem 2rem; margin: 2.25rem 0 0; }
.figures dt { color: var(--soft); font-size: .9rem; }
.figures dd { margin: 0; }
.figures b { display: block; font-size: 1.7rem; line-height: 1.25; font-weight: 600; letter-spacing: -.015em; }
.figures span { color: var(--soft); font-size: .9rem; }
.facts { margin: 2.25rem 0 0; font-size: .95rem; }
.facts div { display: grid; grid-template-columns: 7rem 1fr; gap: 0 1rem; padding: .3rem 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; }
`

const tables = `
.table { overflow-x: auto; margin: .5rem 0; overflow-wrap: normal;
  background: linear-gradient(90deg, var(--paper) 40%, transparent) 0 0 / 2.5rem 100% local, linear-gradient(-90deg, var(--paper) 40%, transparent) 100% 0 / 2.5rem 100% local,
    linear-gradient(90deg, var(--shade), transparent) 0 0 / .9rem 100% scroll, linear-gradient(-90deg, var(--shade), transparent) 100% 0 / .9rem 100% scroll; background-repeat: no-repeat; }
table { border-collapse: collapse; min-width: min(100%, 34rem); font-size: .95rem; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
th, td { overflow-wrap: break-word; padding: .45rem 1.25rem .45rem 0; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: .875rem; white-space: nowrap; }
tbody th { font-weight: 500; min-width: 5.5rem; }
td.number + td.text, th.number + th.text { padding-left: 1.25rem; }
th.number, td.number { text-align: right; white-space: nowrap; }
td.text { min-width: 7rem; }
td.text, tbody th { max-width: 30rem; }
.sign { white-space: nowrap; font-weight: 600; }
.sign.none { color: var(--soft); font-weight: 400; }
.bar { display: block; }
.bar .unexpected { fill: var(--bad); }
.bar .expected { fill: var(--soft); opacity: .55; }
.invariants { margin: 0; padding: 0; list-style: none; }
.invariants > li { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 0 1.5rem; padding: .8rem 0; border-bottom: 1px solid var(--rule); }
.invariants > li:first-child { padding-top: 0; }
.invariants > li:last-child { border-bottom: 0; }
.invariants h3 { margin-bottom: .1rem; }
.invariants p { margin: .1rem 0; }
`

const charts = `
figure { margin: 0; min-width: 0; }
.plot, .strip { display: block; }
.timeline .plot { overflow: visible; }
.timelines { display: grid; gap: 2rem; margin-top: 1.5rem; }
.timelines .strip { margin-left: 3.75rem; width: calc(100% - 3.75rem); overflow: visible; }
.timelines > .strip, .strips { margin-bottom: -1rem; }
.timeline { display: grid; grid-template-columns: 3.75rem minmax(0, 1fr); }
.timeline figcaption { grid-column: 1 / -1; }
.pair, .histograms { grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 2.25rem 2.5rem; }
.histograms { display: grid; margin-top: 1.5rem; }
.histograms figure { display: grid; grid-row: span 2; grid-template-rows: subgrid; row-gap: .25rem; }
.histograms .plot { align-self: end; }
.chart figcaption { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; align-content: start; gap: 0 1.5rem; margin-bottom: .35rem; }
.chart figcaption p { margin: 0; }
.chart figcaption .meaning { flex-basis: 100%; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.35rem; margin: 0; padding: 0; list-style: none; font-size: .9rem; color: var(--soft); }
.legend b { color: var(--ink); font-weight: 600; }
.swatch { vertical-align: middle; }
svg text { font-size: 12px; fill: var(--soft); }
text.percentile, text.limit { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
.strip text { fill: var(--ink); font-weight: 500; }
.strip .band { fill: var(--band); stroke: var(--paper); stroke-width: 2px; }
.strip .band.bad { fill: var(--bad-wash); }
.grid { stroke: var(--grid); stroke-width: 1; vector-effect: non-scaling-stroke; fill: none; }
.mark { stroke: var(--rule); stroke-width: 1; vector-effect: non-scaling-stroke; fill: none; }
.line.one, .line.two, .line.three { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.line.one { stroke: var(--one); }
.line.two { stroke: var(--two); stroke-dasharray: 6 3; }
.line.three { stroke: var(--three); stroke-dasharray: .1 4; stroke-width: 2.25; }
.stems { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.stems.two, .line.stems.two { stroke: var(--two); }
.stems.quiet, .line.quiet { stroke: var(--quiet); stroke-width: 1.5; }
.area.one { fill: var(--one); opacity: .1; }
.area.two { fill: var(--two); opacity: .1; }
.bars.one { fill: var(--one); opacity: .75; }
.outline.two { fill: none; stroke: var(--two); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
line.percentile { stroke: var(--ink); stroke-width: 1; }
line.limit { stroke: var(--two); stroke-width: 1.5; stroke-dasharray: 5 4; }
text.limit { fill: var(--two); }
.strong { font-weight: 600; fill: var(--ink); }
text.limit .strong { fill: var(--two); }
.cursor { stroke: var(--soft); stroke-width: 1; visibility: hidden; pointer-events: none; }
.read .cursor { visibility: visible; }
`

const media = `
@media (max-width: 34rem) {
  .verdict { grid-template-columns: 1fr; padding: 1rem 1.1rem; }
  .facts div, .invariants > li { grid-template-columns: minmax(0, 1fr); }
  .invariants .line { display: flex; justify-content: space-between; gap: 1rem; }
  .timeline { grid-template-columns: 3.25rem minmax(0, 1fr); }
  .timelines .strip { margin-left: 3.25rem; width: calc(100% - 3.25rem); }
  section { margin-top: 2.5rem; }
  .figures { grid-template-columns: 1fr 1fr; gap: 1.25rem 1rem; }
  .figures b { font-size: 1.4rem; }
  .bar { width: 60px; }
  table { font-size: .875rem; }
  th, td { padding-right: .8rem; }
  td.number + td.text, th.number + th.text { padding-left: .4rem; }
}
@media print {
  :root { color-scheme: light; ${light} }
  html { font-size: 10pt; }
  main { padding: 0; max-width: none; }
  nav, #data { display: none; }
  pre { max-height: none; overflow: visible; }
  figure, li, tr, .verdict { break-inside: avoid; }
  h2, h3, figcaption, .strip { break-after: avoid; }
  .verdict, .strip, .bar, .swatch, .plot { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`

export const style = `
:root { color-scheme: light dark; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
${text}${summary}${tables}${charts}${media}`
