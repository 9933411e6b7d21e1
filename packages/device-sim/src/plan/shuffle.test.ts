import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createShuffle } from './shuffle.ts'

test('each number comes once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), fc.integer(), (count, seed) => {
      const shuffle = createShuffle(count, seed)
      const numbers = Array.from({ length: count }, (_, index) => shuffle(index))
      expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index))
    }),
    { numRuns: 50 },
  )
})

test('the order follows from the path, and tells nothing of the numbers', () => {
  const order = (...path: (string | number)[]) =>
    Array.from({ length: 1_000 }, (_, index) => createShuffle(1_000, ...path)(index))
  expect(order(1, 'a')).toEqual(order(1, 'a'))
  expect(order(1, 'a')).not.toEqual(order(2, 'a'))
  expect(order(1, 'a')).not.toEqual(order(1, 'b'))
  // Of the first half of the places, about half are in the first half of the numbers.
  const first = order(1, 'a')
    .slice(0, 500)
    .filter((number) => number < 500).length
  expect(first).toBeGreaterThan(200)
  expect(first).toBeLessThan(300)
})
