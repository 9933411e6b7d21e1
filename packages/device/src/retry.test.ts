import { describe, expect, test } from 'vitest'
import { retryAfterMs } from './http/read-json.ts'
import { pauseMs } from './retry.ts'

describe('the pause before another attempt', () => {
  test.each([
    [0, 250, 500],
    [1, 500, 1_000],
    [5, 8_000, 16_000],
    [40, 30_000, 60_000],
    [100_000, 30_000, 60_000],
  ])('after %i failures is %i to %i ms', (failures, low, high) => {
    const pauses = Array.from({ length: 200 }, () => pauseMs(failures, {}))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(low)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(high)
    expect(new Set(pauses).size).toBeGreaterThan(100)
  })

  test('is never shorter than asked for, and still spread', () => {
    const pauses = Array.from({ length: 200 }, () => pauseMs(0, {}, 5_000))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(5_000)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(6_000)
    expect(new Set(pauses).size).toBeGreaterThan(100)
  })
})

test.each([
  [undefined, undefined],
  ['0', 0],
  ['7', 7_000],
  ['999999999', 3_600_000],
  ['Thu, 01 Jan 1970 00:01:40 GMT', 40_000],
  ['Thu, 01 Jan 1970 00:00:40 GMT', 0],
  ['soon', undefined],
])('Retry-After %s', (header, ms) => {
  expect(retryAfterMs(header, 60_000)).toBe(ms)
})
