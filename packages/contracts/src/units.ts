import { z } from 'zod'

const secondsIn = { s: 1, m: 60, h: 3_600, d: 86_400 } as const
const bytesIn = { B: 1, KiB: 1_024, MiB: 1_048_576 } as const

/** `90s`, `15m`, `24h`, `30d` or a number of seconds; parsed to seconds. */
export const Duration = z
  .union([
    z.int().positive(),
    z
      .string()
      .regex(/^[1-9]\d{0,8}[smhd]$/, 'must be like 90s, 15m, 24h or 30d')
      .transform((text) => Number(text.slice(0, -1)) * secondsIn[text.slice(-1) as keyof typeof secondsIn]),
  ])
  .meta({ description: 'Seconds, or a text like 90s, 15m, 24h, 30d' })

/** `512B`, `128KiB`, `1MiB` or a number of bytes; parsed to bytes. */
export const ByteSize = z.union([
  z.int().positive(),
  z
    .string()
    .regex(/^[1-9]\d{0,8}(B|KiB|MiB)$/, 'must be like 512B, 128KiB or 1MiB')
    .transform((text) => {
      const unit = text.replace(/^\d+/, '') as keyof typeof bytesIn
      return Number.parseInt(text, 10) * bytesIn[unit]
    }),
])
