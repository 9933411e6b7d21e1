import { expect, test } from 'vitest'
import { compareReports, findRegressions } from './compare-reports.ts'
import { renderComparison } from './render-comparison.ts'
import type { RunReport } from './run-report.ts'
import { buildReport } from './testing.ts'

const small = (setting = {}) => buildReport({ minutes: 2, devices: 200, ...setting })
const figureOf = (a: RunReport, b: RunReport, name: string) =>
  compareReports(a, b).figures.find((one) => one.name === name)

test('a run is the same as itself', () => {
  const comparison = compareReports(small(), small())
  expect(comparison.differences).toEqual([])
  expect(new Set(comparison.figures.map(({ change }) => change))).toEqual(new Set(['same']))
  expect(findRegressions(comparison, 0)).toEqual([])
})

test('what is slower is worse, and better the other way round', () => {
  const [a, b] = [small(), small({ slower: 1.5 })]
  const slower = figureOf(a, b, 'publish p99')
  expect(slower).toMatchObject({ change: 'worse', isPercentile: true })
  expect(slower?.share).toBeCloseTo(0.5, 1)
  expect(figureOf(b, a, 'publish p99')).toMatchObject({ change: 'better' })
})

test('what a histogram cannot tell apart is the same', () => {
  expect(figureOf(small(), small({ slower: 1.02 }), 'publish p99')?.change).toBe('same')
})

test('more is better where more was wanted, and says nothing where it was not', () => {
  const [a, b] = [small(), small()]
  b.totals = { ...b.totals, acknowledged: b.totals.acknowledged * 2, skipped: 5 }
  b.elapsedMs *= 1.5
  expect(figureOf(a, b, 'messages acknowledged')?.change).toBe('better')
  expect(figureOf(a, b, 'messages skipped')).toMatchObject({ change: 'worse', share: undefined })
  expect(figureOf(a, b, 'took')?.change).toBe('neither')
})

test('other seeds, sizes, phases and texts are said', () => {
  const [a, b] = [small(), small({ seed: 8, devices: 300 })]
  b.phases = b.phases.slice(1)
  const { differences } = compareReports(a, b)
  expect(differences.map(({ what }) => what)).toEqual(['seed', 'devices', 'phases', 'its text'])
  expect(differences.at(-1)).toMatchObject({ a: 'count: 200', b: 'count: 300' })
})

test.each([
  [0.1, 1.05, false],
  [0.1, 1.5, true],
  [1, 1.5, false],
])('by %d: %d times as long is one of them: %s', (share, slower, isOne) => {
  const found = findRegressions(compareReports(small(), small({ slower })), share)
  expect(found.some((line) => line.startsWith('publish p99 went from '))).toBe(isOne)
})

test('a percentile that is missing has not got better', () => {
  const [a, b] = [small(), small()]
  const { publish: _, ...rest } = b.latencies
  b.latencies = rest
  expect(findRegressions(compareReports(a, b), 0.1)).toContain('publish p99 is not measured any more')
  expect(findRegressions(compareReports(b, a), 0.1)).toEqual([])
})

test('a verdict that was passed and is not any more is one of them', () => {
  expect(findRegressions(compareReports(small(), small({ failed: true })), 10)).toEqual([
    'the verdict went from passed to failed',
    'unexpected errors went from 0 to 37',
  ])
})

test.each([
  [0, 1, 10, true],
  [10, 11, 0.05, true],
  [10, 11, 0.2, false],
  [3, 3, 0, false],
  [3, 0, 0, false],
])('%d unexpected errors and then %d are one of them by %d: %s', (before, after, share, isOne) => {
  const withErrors = (count: number) => ({
    ...small(),
    reasons: [{ reason: 'connect:timeout', count, expected: false }],
  })
  const found = findRegressions(compareReports(withErrors(before), withErrors(after)), share)
  expect(found).toEqual(isOne ? [`unexpected errors went from ${before} to ${after}`] : [])
})

test('the page has both, and what is text stays text', () => {
  const attack = '</script><img src=x onerror="alert(1)">'
  const page = renderComparison(small({ text: attack }), small({ seed: 9, slower: 2, failed: true, text: attack }))
  expect(page).not.toContain('<img')
  expect(page).toMatch(/A <span[^>]*>✓<\/span> Passed/)
  expect(page).toMatch(/B <span[^>]*>✕<\/span> Failed/)
  expect(page.indexOf('What differs')).toBeLessThan(page.indexOf('Figures'))
  expect(page).toMatch(/aria-label="Devices connected, over [^"]*A: peak 196; B: peak 196"/)
  expect(page).not.toMatch(/NaN|Infinity|undefined/)
})
