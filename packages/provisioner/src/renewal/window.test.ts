import { describe, expect, test } from 'vitest'
import type { CertificateRow } from '../certificates/issue.ts'
import { chooseWindow, type PulledWindow } from './window.ts'

const hour = 3_600_000
const day = 24 * hour
const issued = new Date('2026-03-01T12:00:00Z')
const after = (ms: number) => new Date(issued.getTime() + ms)

const certificate = (serial: string, lifeMs = 90 * day) =>
  ({ serial, notBefore: after(-300_000), notAfter: after(lifeMs) }) as CertificateRow
const pulled = (start: number, end: number, created = start) =>
  ({ startsAt: after(start), endsAt: after(end), createdAt: after(created) }) as PulledWindow
const first = '7f00000000'
const middle = '7f80000000'
const last = '7fffffffff'

describe('its own', () => {
  test.each([
    [first, 60, 67.5],
    [middle, 67.5, 75],
    [last, 75, 82.5],
  ])('%s: day %d to %d of 90', (serial, start, end) => {
    const window = chooseWindow(certificate(serial), [])
    expect(window.start.getTime()).toBeCloseTo(after(start * day).getTime(), -2)
    expect(window.end.getTime()).toBeCloseTo(after(end * day).getTime(), -2)
  })

  test('a life shorter than the backdating is counted from the issue', () => {
    const window = chooseWindow(certificate(first, 60_000), [])
    expect([window.start, window.end]).toEqual([after(40_000), after(45_000)])
  })

  test('a fleet of one hour is spread over a sixth of the life', () => {
    const starts = Array.from({ length: 1_000 }, (_, index) =>
      chooseWindow(
        certificate(
          Math.floor((index / 1_000) * 2 ** 32)
            .toString(16)
            .padStart(8, '0'),
        ),
        [],
      ).start.getTime(),
    )
    expect(Math.min(...starts)).toBeGreaterThanOrEqual(after(60 * day).getTime())
    expect(Math.max(...starts)).toBeLessThan(after(75 * day).getTime())
  })
})

describe('pulled forward', () => {
  test('everybody has a part of it', () => {
    const windows = [first, middle, last].map((serial) =>
      chooseWindow(certificate(serial), [pulled(day, day + 3 * hour)]),
    )
    expect(windows.map(({ start }) => Math.round((start.getTime() - after(day).getTime()) / 1_000))).toEqual([
      0, 3_600, 7_200,
    ])
    for (const { start, end } of windows) expect(end.getTime() - start.getTime()).toBe(hour)
  })

  test('the first of several, never later than its own', () => {
    const windows = [pulled(5 * day, 6 * day), pulled(2 * day, 3 * day), pulled(89 * day, 90 * day, day)]
    expect(chooseWindow(certificate(first), windows).start).toEqual(after(2 * day))
    expect(chooseWindow(certificate(first), windows.slice(2)).start).toEqual(after(60 * day))
  })

  test('a window that is over still calls those that have missed it', () => {
    const window = chooseWindow(certificate(first), [pulled(day, 2 * day)])
    expect(window.start.getTime()).toBeLessThan(after(30 * day).getTime())
  })

  test('does not call a certificate that is younger', () => {
    expect(chooseWindow(certificate(first), [pulled(-hour, hour)]).start).toEqual(after(60 * day))
    expect(chooseWindow(certificate(first), [pulled(0, hour)]).start).toEqual(after(60 * day))
  })
})
