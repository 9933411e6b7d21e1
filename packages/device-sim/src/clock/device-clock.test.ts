import { expect, test, vi } from 'vitest'
import { createClock } from './device-clock.ts'

const right = { skewMs: 0, driftPpm: 0, bootsAt: undefined }

test('a right clock is that of the machine', () => {
  expect(createClock(right)).toBeUndefined()
})

test('one that is behind stays behind, also after it was off', () => {
  const clock = createClock({ ...right, skewMs: -300_000 })
  for (const _ of [1, 2]) {
    expect(Math.abs((clock?.now() ?? 0) - (Date.now() - 300_000))).toBeLessThan(1_000)
    clock?.boot()
  }
})

test('one without a battery starts in 1970, each time', () => {
  const clock = createClock({ ...right, bootsAt: 0 })
  const start = clock?.now() ?? -1
  expect(start).toBeGreaterThanOrEqual(0)
  expect(start).toBeLessThan(60_000)
  const later = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 3_600_000)
  expect(clock?.now()).toBeGreaterThanOrEqual(3_600_000)
  clock?.boot()
  expect(clock?.now()).toBe(0)
  later.mockRestore()
})

test('one that drifts is ahead by its part of the time', () => {
  const clock = createClock({ ...right, driftPpm: 1_000 })
  const start = clock?.now() ?? 0
  const began = performance.now()
  const later = vi.spyOn(performance, 'now').mockReturnValue(began + 10_000_000)
  const gone = (clock?.now() ?? 0) - start
  later.mockRestore()
  expect(Math.abs(gone - 10_010_000)).toBeLessThan(100)
})
