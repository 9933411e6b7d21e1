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
  layers: readonly { hue: 'one' | 'two'; buckets: LatencyBuckets }[]
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
<svg y="${top}" width="100%" height="${plot}" viewBox="0 0 ${width} ${plot}" preserveAspectRatio="none">
${scale.ticks.map((tick) => html`<path class="mark" d="M${round(scale.place(tick) * width)} 0V${plot}"/>`)}
${layers.map(({ hue, buckets }) => html`<path class="bars ${hue}" d="${trusted(barsOf(buckets, scale))}"/>`)}
<path class="grid" d="M0 ${plot}H${width}"/>
</svg>
${marks.map((mark, row) => renderMark(mark, row, top, scale))}
${scale.ticks.map((tick) => renderTick(tick, height, scale))}
</svg>`
}

/** Each stands in a row of its own, so that marks which lie close together can still be read. */
function renderMark({ label, ms, kind }: HistogramMark, row: number, top: number, scale: Scale): Html {
  const share = scale.place(ms)
  const [x, baseline] = [`${round(share * 100)}%`, 12 + row * rowHeight]
  // A limit says more: it needs more room.
  const [anchor, aside] = share > (kind === 'limit' ? 0.55 : 0.78) ? ['end', -5] : ['start', 5]
  return html`<line class="${kind}" x1="${x}" x2="${x}" y1="${baseline - 9}" y2="${top + plot}"/>
<text class="${kind}" x="${x}" y="${baseline}" dx="${aside}" text-anchor="${anchor}">${label} <tspan class="strong">${formatMs(ms)}</tspan></text>`
}

function renderTick(ms: number, height: number, scale: Scale): Html {
  const share = scale.place(ms)
  const anchor = share < 0.03 ? 'start' : share > 0.97 ? 'end' : 'middle'
  return html`<text class="x" x="${round(share * 100)}%" y="${height - 6}" text-anchor="${anchor}">${formatMs(ms)}</text>`
}

/** By share of all, so that two runs of different length can lie over each other. A single one is seen, too: a pixel is the least. */
function barsOf(buckets: LatencyBuckets, scale: Scale): string {
  const bars = new Map<number, number>()
  for (const [bucket, count] of buckets) {
    const bar = Math.floor(bucket / merged)
    bars.set(bar, (bars.get(bar) ?? 0) + count)
  }
  const most = [...bars.values()].reduce((high, count) => Math.max(high, count), 1)
  return [...bars]
    .map(([bar, count]) => {
      const [from, to] = [
        scale.place(msOf(bar * merged - 0.5)) * width,
        scale.place(msOf((bar + 1) * merged - 0.5)) * width,
      ]
      const size = Math.max(1, (count / most) * plot)
      return `M${round(from)} ${plot}v${-round(size)}H${round(to)}V${plot}Z`
    })
    .join('')
}

const round = (value: number) => Math.round(value * 10) / 10
