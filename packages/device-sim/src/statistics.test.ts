import { expect, test } from 'vitest'
import { formatSummary } from './format-summary.ts'
import { createStatistics } from './statistics.ts'

test('percentiles are of what was recorded, in milliseconds', () => {
  const statistics = createStatistics()
  for (let ms = 1; ms <= 1_000; ms += 1) statistics.record('publish', ms / 10)
  const { publish, enrol } = statistics.summarise(1, 1).latency
  expect(publish.count).toBe(1_000)
  expect(publish.p50).toBeCloseTo(50, 0)
  expect(publish.p90).toBeCloseTo(90, 0)
  expect(publish.p99).toBeCloseTo(99, 0)
  expect(publish.max).toBeCloseTo(100, 0)
  expect(enrol).toEqual({ count: 0, p50: 0, p90: 0, p99: 0, max: 0 })
})

test('a latency of nothing counts too', () => {
  const statistics = createStatistics()
  statistics.record('connect', 0)
  expect(statistics.summarise(1, 1).latency.connect.count).toBe(1)
})

test('failures are counted by step and code, the most frequent first', () => {
  const statistics = createStatistics()
  statistics.fail('enrol', 'unavailable')
  statistics.fail('publish', '0x87')
  statistics.fail('publish', '0x87')
  expect(Object.entries(statistics.summarise(1, 1).failures)).toEqual([
    ['publish:0x87', 2],
    ['enrol:unavailable', 1],
  ])
})

test('a summary does not change after it was made', () => {
  const statistics = createStatistics()
  const summary = statistics.summarise(1, 1)
  statistics.counts.published += 1
  expect(summary.counts.published).toBe(0)
})

test('the table names all figures', () => {
  const statistics = createStatistics()
  statistics.counts.acknowledged = 1234
  statistics.record('publish', 12.3)
  statistics.fail('connect', 'device-revoked')
  const table = formatSummary(statistics.summarise(20, 7))
  for (const part of ['20 devices', 'seed 7', '1234', '12.3', '1 x connect:device-revoked', 'p99'])
    expect(table).toContain(part)
})
