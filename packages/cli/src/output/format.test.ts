import { expect, test } from 'vitest'
import { formatInstant, formatRelative } from './format.ts'

const now = new Date('2026-11-21T08:00:00.000Z')

test('instants are in UTC and sort', () => {
  expect(formatInstant('2026-11-21T08:12:33.123Z')).toBe('2026-11-21 08:12:33Z')
  expect(formatInstant(null)).toBe('')
})

test.each([
  ['2026-11-21T07:59:58.000Z', '2 s ago'],
  ['2026-11-21T07:57:00.000Z', '3 min ago'],
  ['2026-11-21T06:00:00.000Z', '2 h ago'],
  ['2026-11-11T08:00:00.000Z', '10 d ago'],
  ['2026-11-23T08:00:00.000Z', 'in 2 d'],
  ['2026-11-21T08:00:00.000Z', '0 s ago'],
])('%s is %s', (instant, text) => {
  expect(formatRelative(instant, now)).toBe(text)
})
