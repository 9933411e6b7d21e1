import { expect, test } from 'vitest'
import { sumMetric } from './metrics.ts'
import { storedPerSecond } from './report.ts'

const text = `# HELP stored_total Messages
# TYPE stored_total counter
stored_total{qos="0"} 3 1795250240373
stored_total{qos="1"} 1.5e2
stored_total_other 9
stored 7
`

test.each([
  ['stored_total', 153],
  ['stored', 7],
  ['absent', 0],
])('%s sums to %d', (name, sum) => {
  expect(sumMetric(text, name)).toBe(sum)
})

test('the rate is over all samples, and nothing after a restart', () => {
  expect(storedPerSecond([])).toBe(0)
  expect(
    storedPerSecond([
      { at: 0, stored: 10 },
      { at: 1_000, stored: 25 },
      { at: 2_000, stored: 50 },
    ]),
  ).toBe(20)
  expect(
    storedPerSecond([
      { at: 0, stored: 10 },
      { at: 1_000, stored: 0 },
    ]),
  ).toBe(0)
})
