import { type LatencyBuckets, msOf } from '../../measure/latency.ts'
import { formatMs } from '../format.ts'
import { type Html, html, trusted } from '../html.ts'
import { logScale, type Scale } from './scale.ts'

export interface HistogramMark {
  label: string
  ms: number
  kind: 'percentile' | 'limit'
}

export interface Histogram {
  title: string
  words: string
  /** The first is filled, one above it is an outline. */
  layers: readonly LatencyBuckets[]
  marks: readonly HistogramMark[]
}

const width = 1_000
const plot = 88
const rowHeight = 14
/** So many buckets become one bar: 12 % of a time. */
const merged = 3

/** Times on a log scale, the same for all histograms of a page. */
export function scaleOfHistograms(all: readonly LatencyBuckets[], limits: readonly number[]): Scale {
  const times = [
    ...all.flatMap((buckets) => [buckets[0], buckets.at(-1)].flatMap((one) => (one ? [msOf(one[0])] : []))),
    ...limits,
  ]
  const least = times.reduce((low, ms) => Math.min(low, ms), Number.POSITIVE_INFINITY)
  const most = times.reduce((high, ms) => Math.max(high, ms), 0)
  return logScale(Number.isFinite(least) ? least : 1, most)
}

export function renderHistogram({ title, words, layers, marks }: Histogram, scale: Scale): Html {
  const top = 4 + marks.length * rowHeight
  const height = top + plot + 22
  const label = [words, ...marks.map((mark) => `${mark.label} ${formatMs(mark.ms)}`)].join('; ')
  return html`<svg class="plot" width="100%" height="${height}" role="img" aria-label="${title}: ${label}">
<svg aria-hidden="true" y="${top}" width="100%" height="${plot}" viewBox="0 0 ${width} ${plot}" preserveAspectRatio="none">
${scale.ticks.map((tick) => html`<path class="mark" d="M${round(scale.place(tick) * width)} 0V${plot}"/>`)}
${layers.map((buckets, index) => (index === 0 ? html`<path class="bars one" d="${trusted(barsOf(buckets, scale))}"/>` : html`<path class="outline two" d="${trusted(outlineOf(buckets, scale))}"/>`))}
<path class="grid" d="M0 ${plot}H${width}"/>
</svg>
${renderMarks(marks, top, scale)}
${scale.ticks.map((tick) => renderTick(tick, height, scale))}
</svg>`
}

/** Of the width of a phone: what a label takes. */
const room = { percentile: 0.22, limit: 0.45 } as const

/**
 * Each stands in a row of its own, so that marks which lie close together can still be read. The outermost is on top,
 * and labels point away from the others: no line crosses the label of another.
 */
function renderMarks(marks: readonly HistogramMark[], top: number, scale: Scale): Html[] {
  const placed = marks.map((mark) => ({ ...mark, share: scale.place(mark.ms) })).sort((a, b) => a.share - b.share)
  const isTight = placed.some(({ kind, share }) => share > 1 - room[kind])
  const rows = isTight ? placed.toReversed() : placed
  return rows.map(({ label, ms, kind, share }, row) => {
    const [x, baseline] = [`${round(share * 100)}%`, 12 + row * rowHeight]
    const [anchor, aside] = isTight && share > room[kind] ? ['end', -5] : ['start', 5]
    return html`<line class="${kind}" x1="${x}" x2="${x}" y1="${baseline - 9}" y2="${top + plot}"/>
<text class="${kind}" x="${x}" y="${baseline}" dx="${aside}" text-anchor="${anchor}">${label} <tspan class="strong">${formatMs(ms)}</tspan></text>`
  })
}

function renderTick(ms: number, height: number, scale: Scale): Html {
  const share = scale.place(ms)
  const anchor = share < 0.03 ? 'start' : share > 0.97 ? 'end' : 'middle'
  return html`<text class="x" x="${round(share * 100)}%" y="${height - 6}" text-anchor="${anchor}">${formatMs(ms)}</text>`
}

interface Bar {
  from: number
  to: number
  size: number
}

/** By share of all, so that two runs of different length can lie over each other. A single one is seen, too: a pixel is the least. */
function mergeBuckets(buckets: LatencyBuckets, scale: Scale): Bar[] {
  const bars = new Map<number, number>()
  for (const [bucket, count] of buckets) {
    const bar = Math.floor(bucket / merged)
    bars.set(bar, (bars.get(bar) ?? 0) + count)
  }
  const most = [...bars.values()].reduce((high, count) => Math.max(high, count), 1)
  const edge = (bar: number) => round(scale.place(msOf(bar * merged - 0.5)) * width)
  const sorted = [...bars].sort(([a], [b]) => a - b)
  return sorted.map(([bar, count]) => ({
    from: edge(bar),
    to: edge(bar + 1),
    size: round(Math.max(1, (count / most) * plot)),
  }))
}

const barsOf = (buckets: LatencyBuckets, scale: Scale) =>
  mergeBuckets(buckets, scale)
    .map(({ from, to, size }) => `M${from} ${plot}v${-size}H${to}V${plot}Z`)
    .join('')

function outlineOf(buckets: LatencyBuckets, scale: Scale): string {
  const bars = mergeBuckets(buckets, scale)
  const steps = bars.map(({ from, to, size }, index) => {
    const before = bars[index - 1]
    const isApart = before !== undefined && before.to < from
    return `${isApart ? `V${plot}H${from}` : ''}V${round(plot - size)}H${to}`
  })
  return bars[0] ? `M${bars[0].from} ${plot}${steps.join('')}V${plot}` : ''
}

const round = (value: number) => Math.round(value * 10) / 10
