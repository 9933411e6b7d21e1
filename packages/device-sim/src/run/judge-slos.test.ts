import { expect, test } from 'vitest'
import { Latency, percentilesOf } from '../measure/latency.ts'
import { judgeSlos } from './judge-slos.ts'

function measured(...ms: number[]) {
  const latency = new Latency()
  for (const one of ms) latency.record(one)
  return { percentiles: percentilesOf(latency.buckets()), buckets: latency.buckets() }
}

test.each([
  ['a latency within its limit', { enrol: { p99: 100 } }, { enrol: measured(50, 60) }, [true]],
  ['a latency beyond it', { enrol: { p99: 100 } }, { enrol: measured(50, 600) }, [false]],
  ['one limit of two', { enrol: { p50: 100, max: 200 } }, { enrol: measured(50, 60, 600) }, [true, false]],
  ['a limit for what never happened', { enrol: { p99: 100 } }, {}, [false]],
  ['no limits', {}, { enrol: measured(50_000) }, []],
])('%s', (_, slos, found, met) => {
  expect(judgeSlos(slos, found, []).map((one) => one.met)).toEqual(met)
})

test.each([
  [[{ phase: 1, wanted: 10, back: 10, afterMs: 900 }], [true]],
  [[{ phase: 1, wanted: 10, back: 10, afterMs: 1_100 }], [false]],
  [[{ phase: 1, wanted: 10, back: 8, afterMs: undefined }], [false]],
  [
    [
      { phase: 1, wanted: 10, back: 10, afterMs: 900 },
      { phase: 3, wanted: 10, back: 9, afterMs: undefined },
    ],
    [true, false],
  ],
  [[], [false]],
])('recoveries %j', (recoveries, met) => {
  const slos = { recovered: { share: 1, within: 1_000 } }
  expect(judgeSlos(slos, {}, recoveries).map((one) => one.met)).toEqual(met)
})

test('it is told in words, and where its line goes in the histogram', () => {
  expect(judgeSlos({ publish: { p99: 1_500 } }, { publish: measured(20) }, [])).toEqual([
    {
      ...{ name: 'publish p99', wanted: '≤ 1.50 s', met: true },
      found: expect.stringMatching(/^\d+ ms$/),
      limit: { latency: 'publish', percentile: 'p99', ms: 1_500 },
    },
  ])
})
