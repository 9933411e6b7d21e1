import { z } from 'zod'

const msIn = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const notTime = 'must be a time like 250ms, 10s, 5m, 1h or 30d'

const parseTime = (text: string) => {
  const count = Number.parseFloat(text)
  return Math.round(count * msIn[text.replace(/^[-\d.]+/, '') as keyof typeof msIn])
}

/** The other way round: `90s`, for 90,000. */
export function writeTime(ms: number): string {
  const [unit, length] = (Object.entries(msIn).findLast(([, length]) => ms % length === 0) ?? ['ms', 1]) as [
    string,
    number,
  ]
  return ms === 0 ? '0s' : `${ms / length}${unit}`
}

/** `250ms`, `10s`, `5m`, `1h`, `30d`; parsed to milliseconds. */
export const Time = z
  .string(notTime)
  .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, notTime)
  .transform(parseTime)

/** For what comes again and again. */
export const Period = Time.refine((ms) => ms >= 10, 'must be 10ms or more')

/** A time that may lie before: `-5m`. */
export const Offset = z
  .string()
  .regex(/^-?\d+(\.\d+)?(ms|s|m|h|d)$/)
  .transform(parseTime)

/** `5%`; parsed to a number from 0 to 1. */
export const Percent = z
  .string()
  .regex(/^(100|\d{1,2}(\.\d+)?)%$/)
  .transform((text) => Number(text.slice(0, -1)) / 100)

/** `5%`, or a number from 0 to 1; parsed to a number from 0 to 1. */
export const Share = z.union([z.number().min(0).max(1), Percent], 'must be a share like 5% or 0.05')
