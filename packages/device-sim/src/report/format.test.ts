import { expect, test } from 'vitest'
import { clockScale, linearScale, logScale } from './charts/scale.ts'
import { formatBytes, formatClock, formatInstant, formatMs, formatRate, formatShare, formatSpan } from './format.ts'

test.each([
  [formatMs(0.432), '0.43 ms'],
  [formatMs(4.04), '4 ms'],
  [formatMs(999.7), '1 s'],
  [formatMs(1_234), '1.2 s'],
  [formatMs(59_970), '1 min'],
  [formatRate(0), '0/s'],
  [formatRate(1_029.4), '1,029/s'],
  [formatSpan(4_200), '4.2 s'],
  [formatSpan(312_000), '5 min 12 s'],
  [formatSpan(7_500_000), '2 h 5 min'],
  [formatClock(35_400), '0:35'],
  [formatClock(3_725_000), '1:02:05'],
  [formatBytes(43_600), '43 KiB'],
  [formatBytes(24 * 1_024 ** 3), '24 GiB'],
  [formatShare(0.0003), '0.03 %'],
  [formatShare(0.985), '99 %'],
  [formatInstant(0), '1970-01-01 00:00:00 UTC'],
  [formatInstant(Number.MAX_SAFE_INTEGER), '9007199254740991'],
])('%s is %s', (said, wanted) => expect(said).toBe(wanted))

test.each([
  [0, [0]],
  [1, [0, 0.5, 1]],
  [9_800, [0, 5_000, 10_000]],
  [1_029, [0, 500, 1_000, 1_500]],
])('a scale to %d has round steps', (max, ticks) => {
  expect(linearScale(max).ticks.slice(0, ticks.length)).toEqual(ticks)
  expect(linearScale(max).place(max)).toBeLessThanOrEqual(1)
})

test('a log scale has whole decades', () => {
  const scale = logScale(12, 340)
  expect(scale.ticks).toEqual([10, 100, 1_000])
  expect(scale.place(100)).toBeCloseTo(0.5)
  expect([scale.place(0), scale.place(1e9)]).toEqual([0, 1])
})

test('the clock goes by steps that people would choose', () => {
  expect(clockScale(600_000).ticks).toEqual([0, 120_000, 240_000, 360_000, 480_000, 600_000])
  expect(clockScale(7_000).ticks).toEqual([0, 2_000, 4_000, 6_000])
  expect(clockScale(90 * 86_400_000).ticks.length).toBeLessThanOrEqual(6)
})
