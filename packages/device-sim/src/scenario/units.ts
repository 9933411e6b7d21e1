import { z } from 'zod'

const msIn = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const durationText = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** `250ms`, `10s`, `5m`, `1h`, `30d`; parsed to milliseconds. */
export const Time = z
  .string()
  .regex(durationText, 'must be like 250ms, 10s, 5m, 1h or 30d')
  .transform((text) => {
    const [, count, unit] = durationText.exec(text) ?? []
    return Number(count) * msIn[unit as keyof typeof msIn]
  })
  .meta({ description: 'A time like 250ms, 10s, 5m, 1h, 30d' })

/** `5%`, or a number from 0 to 1; parsed to a number from 0 to 1. */
export const Share = z
  .union([
    z.number().min(0).max(1),
    z
      .string()
      .regex(/^(100|\d{1,2}(\.\d+)?)%$/, 'must be like 5% or 0.05')
      .transform((text) => Number(text.slice(0, -1)) / 100),
  ])
  .meta({ description: 'A share like 5% or 0.05' })
