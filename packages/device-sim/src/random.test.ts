import { expect, test } from 'vitest'
import { createRandom } from './random.ts'

test('random numbers fill [0, 1) evenly', () => {
  const random = createRandom('even', 1)
  const buckets = Array.from({ length: 10 }, () => 0)
  for (let draw = 0; draw < 10_000; draw += 1) {
    const bucket = Math.floor(random() * 10)
    buckets[bucket] = (buckets[bucket] ?? 0) + 1
  }
  expect(buckets).toHaveLength(10)
  for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150)
})
