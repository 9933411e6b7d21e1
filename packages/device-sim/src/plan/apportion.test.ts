import fc from 'fast-check'
import { expect, test } from 'vitest'
import { apportion } from './apportion.ts'

const weights = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 12 })
const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)

test('everything is handed out, and each gets its part, exact to one', () => {
  fc.assert(
    fc.property(weights, fc.nat(20_000), (parts, total) => {
      const counts = apportion(parts, total)
      expect(sum(counts)).toBe(total)
      for (const [index, count] of counts.entries())
        expect(Math.abs(count - (total * (parts[index] ?? 0)) / sum(parts))).toBeLessThan(1)
    }),
  )
})

test('where each has to have one, none is left out, and all is still handed out', () => {
  fc.assert(
    fc.property(weights, fc.nat(200), (parts, beyond) => {
      const counts = apportion(parts, parts.length + beyond, 1)
      expect(sum(counts)).toBe(parts.length + beyond)
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(1)
    }),
  )
  expect(apportion([9_900, 90, 10], 20, 1)).toEqual([18, 1, 1])
})
