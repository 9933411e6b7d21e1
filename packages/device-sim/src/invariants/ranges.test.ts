import { expect, test } from 'vitest'
import { createRandom } from '../random.ts'
import { Ranges } from './ranges.ts'

const of = (...pairs: [number, number][]) => {
  const ranges = new Ranges()
  for (const [from, to] of pairs) ranges.add(from, to)
  return ranges
}

test('what follows or overlaps becomes one', () => {
  expect(`${of([1, 2], [3, 4], [7, 7], [10, 12], [6, 6])}`).toBe('1-4, 6-7, 10-12')
  expect(`${of([1, 2], [8, 9], [2, 8])}`).toBe('1-9')
  expect(`${of([5, 6], [1, 2])}`).toBe('1-2, 5-6')
})

test('adding says how many were new', () => {
  const ranges = of([1, 4], [8, 9])
  expect(ranges.add(3, 10)).toBe(4)
  expect(ranges.add(3)).toBe(0)
  expect([ranges.count, ranges.last]).toEqual([10, 10])
})

test('without others', () => {
  expect(`${of([1, 10]).without(of([2, 3], [5, 5], [9, 12]))}`).toBe('1, 4, 6-8')
  expect(of([3, 4]).without(of([1, 10])).count).toBe(0)
  expect(`${of([3, 4]).without(of([1, 2], [6, 7]))}`).toBe('3-4')
})

test('as a set has it, whatever the order', () => {
  const random = createRandom(1, 'ranges')
  const [ranges, set] = [new Ranges(), new Set<number>()]
  for (let round = 0; round < 300; round += 1) {
    const from = 1 + Math.floor(random() * 200)
    const to = from + Math.floor(random() * 4)
    const before = set.size
    for (let number = from; number <= to; number += 1) set.add(number)
    expect(ranges.add(from, to)).toBe(set.size - before)
  }
  for (let number = 0; number < 210; number += 1) expect(ranges.has(number)).toBe(set.has(number))
  expect(ranges.count).toBe(set.size)
})
