/** Where lines are drawn across a chart, and what stands beside them. */
export interface Scale {
  ticks: number[]
  /** 0 at the low end, 1 at the high one; what lies outside is drawn at the edge. */
  place(value: number): number
}

const clamp = (share: number) => Math.min(1, Math.max(0, share))

/** From zero to a round number at or above `max`, by steps that are not below `least`. */
export function linearScale(max: number, least = 0, count = 3): Scale {
  const step = Math.max(least, roundStep((max > 0 ? max : 1) / count))
  const top = Math.max(1, Math.ceil(max / step - 1e-9)) * step
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  return { ticks, place: (value) => clamp(value / top) }
}

/** Whole decades around what there is. */
export function logScale(min: number, max: number): Scale {
  const low = Math.floor(Math.log10(Math.max(min, 1e-3)) + 1e-9)
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(max, 1e-3)) - 1e-9))
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
  return { ticks, place: (value) => clamp((Math.log10(Math.max(value, 1e-3)) - low) / (high - low)) }
}

const clockSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400]

/** Not above `count` of them, at times that people would choose; the end is the end of the run. */
export function clockScale(spanMs: number, count = 5): Scale {
  const span = Math.max(1, spanMs)
  const step = (clockSteps.find((seconds) => span / (seconds * 1_000) <= count) ?? span / 1_000 / count) * 1_000
  const ticks = Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => index * step)
  return { ticks, place: (ms) => clamp(ms / span) }
}

/** 1, 2 or 5 with zeros. */
function roundStep(step: number): number {
  const size = 10 ** Math.floor(Math.log10(step))
  const lead = [1, 2, 5, 10].find((one) => one >= step / size - 1e-9) ?? 10
  return lead * size
}
