import { formatClock } from '../format.ts'
import { type Html, html, trusted } from '../html.ts'
import { clockScale, linearScale, logScale, type Scale } from './scale.ts'

/** Also told apart without colours: the first is a full line, the others are broken ones. */
export type Hue = 'one' | 'two' | 'three' | 'quiet'

export interface Series {
  name: string
  hue: Hue
  /** Lines where nothing is said; stems for what happens now and then. */
  shape?: 'area' | 'stems'
  /** What is told beside its name: the peak, the last value. */
  says: string
  /** Milliseconds since the start; undefined: nothing was measured then. */
  points: readonly (readonly [at: number, value: number | undefined])[]
}

export interface Timeline {
  id: string
  title: string
  format: (value: number) => string
  /** `whole`: there are no halves of it. */
  scale: 'linear' | 'whole' | 'log'
  series: readonly Series[]
}

/** What all timelines of a page share. */
export interface TimeAxis {
  spanMs: number
  /** Where a phase begins. */
  marks: readonly number[]
}

const width = 1_000
const top = 10
const plot = 104
const height = top + plot + 22

/** The plot is stretched to whatever room there is; the letters beside it are not. */
export function renderTimeline({ id, title, format, scale: kind, series }: Timeline, axis: TimeAxis): Html {
  const scale = kind === 'log' ? logAround(series) : linearScale(highest(series), kind === 'whole' ? 1 : 0)
  const clock = clockScale(axis.spanMs)
  const x = (ms: number) => clock.place(ms) * width
  const y = (value: number) => (1 - scale.place(value)) * plot
  const words = series.map(({ name, says }) => `${name}: ${says}`).join('; ')
  return html`<figure class="chart timeline" id="${id}">
<figcaption><h3>${title}</h3>${renderLegend(series)}</figcaption>
<svg class="levels" width="100%" height="${height}" aria-hidden="true">${scale.ticks.map(
    (tick) => html`<text x="100%" dx="-8" y="${round(top + y(tick) + 4)}" text-anchor="end">${format(tick)}</text>`,
  )}</svg>
<svg class="plot" width="100%" height="${height}" role="img" aria-label="${title}, over ${formatClock(axis.spanMs)}. ${words}">
<svg aria-hidden="true" y="${top}" width="100%" height="${plot}" viewBox="0 0 ${width} ${plot}" preserveAspectRatio="none">
${axis.marks.map((mark) => html`<path class="mark" d="M${round(x(mark))} 0V${plot}"/>`)}
${scale.ticks.map((tick) => html`<path class="grid" d="M0 ${round(y(tick))}H${width}"/>`)}
${series.toReversed().map((one) => renderSeries(one, x, y))}
</svg>
${clock.ticks.map((tick) => renderTick(tick, clock))}
<line class="cursor" y1="${top}" y2="${top + plot}"/>
</svg>
</figure>`
}

function renderTick(ms: number, clock: Scale): Html {
  const share = clock.place(ms)
  const anchor = share > 0.97 ? 'end' : 'middle'
  return html`<text class="x" x="${round(share * 100)}%" y="${height - 6}" text-anchor="${anchor}">${formatClock(ms)}</text>`
}

export function renderLegend(series: readonly Pick<Series, 'name' | 'hue' | 'says'>[]): Html {
  const items = series.map(
    ({ name, hue, says }) =>
      html`<li><svg class="swatch" width="22" height="8" aria-hidden="true"><path class="line ${hue}" d="M1 4H21"/></svg> ${name} <b>${says}</b></li>`,
  )
  return html`<ul class="legend">${items}</ul>`
}

function renderSeries({ points, hue, shape }: Series, x: (ms: number) => number, y: (value: number) => number): Html {
  const place = ([at, value]: readonly [number, number]) => `${round(x(at))} ${round(y(value))}`
  if (shape === 'stems') {
    const stems = points.flatMap(([at, value]) => (value ? `M${round(x(at))} ${plot}V${round(y(value))}` : []))
    return html`<path class="stems ${hue}" d="${trusted(stems.join(''))}"/>`
  }
  const runs = unbroken(points)
  const line = runs.map((run) => {
    const [first = '', ...rest] = run.map(place)
    // One point alone is a line of no length: a dot, where ends are round.
    return rest.length > 0 ? `M${first}L${rest.join(' ')}` : `M${first}h0`
  })
  const filled = runs.map((run) => `M${round(x(run[0]?.[0] ?? 0))} ${plot}L${run.map(place).join(' ')}V${plot}Z`)
  return html`${shape === 'area' && html`<path class="area ${hue}" d="${trusted(filled.join(''))}"/>`}<path class="line ${hue}" d="${trusted(line.join(''))}"/>`
}

/** Where nothing was measured there is no line. */
function unbroken(points: Series['points']): [number, number][][] {
  const runs: [number, number][][] = [[]]
  for (const [at, value] of points) {
    if (value === undefined) runs.push([])
    else runs.at(-1)?.push([at, value])
  }
  return runs.filter((run) => run.length > 0)
}

const valuesOf = (series: readonly Series[]) =>
  series.flatMap(({ points }) => points.flatMap(([, value]) => (value === undefined ? [] : [value])))

const highest = (series: readonly Series[]) => valuesOf(series).reduce((most, value) => Math.max(most, value), 0)

function logAround(series: readonly Series[]): Scale {
  const values = valuesOf(series)
  const lowest = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
  return logScale(Number.isFinite(lowest) ? lowest : 1, highest(series))
}

const round = (value: number) => Math.round(value * 10) / 10
