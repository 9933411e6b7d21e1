import { expect, test } from 'vitest'
import { createRandom } from '../random.ts'
import { Latency, percentilesOf } from './latency.ts'

test('percentiles are those of the times, to within 2.5 %, also where they were counted in several places', () => {
  const random = createRandom('latency')
  const times = Array.from({ length: 10_000 }, () => 0.05 * 20_000 ** random())
  const [here, there, all] = [new Latency(), new Latency(), new Latency()]
  for (const [index, ms] of times.entries()) (index % 3 === 0 ? here : there).record(ms)
  all.add(here.take())
  all.add(there.take())
  expect(here.buckets()).toEqual([])
  const sorted = times.toSorted((a, b) => a - b)
  const exact = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0
  const { count, p50, p90, p99, max } = percentilesOf(all.buckets())
  expect(count).toBe(10_000)
  for (const [found, share] of [
    [p50, 0.5],
    [p90, 0.9],
    [p99, 0.99],
    [max, 1],
  ] as const)
    expect(Math.abs(found / exact(share) - 1)).toBeLessThan(0.025)
})

test('of nothing there is nothing', () => {
  expect(percentilesOf([])).toEqual({ count: 0, p50: 0, p90: 0, p99: 0, max: 0 })
})
