import { expect, test } from 'vitest'
import { Latency, percentilesOf } from '../measure/latency.ts'
import { judgeSlos } from './judge-slos.ts'

function measured(...ms: number[]) {
  const latency = new Latency()
  for (const one of ms) latency.record(one)
  return { percentiles: percentilesOf(latency.buckets()), buckets: latency.buckets() }
}

const errors = { unexpected: 0 }
const nothing = { latencies: {}, reasons: [], recoveries: [], devices: 10 }

test.each([
  ['a latency within its limit', { enrol: { p99: 100 } }, { enrol: measured(50, 60) }, [true]],
  ['a latency beyond it', { enrol: { p99: 100 } }, { enrol: measured(50, 600) }, [false]],
  ['one limit of two', { enrol: { p50: 100, max: 200 } }, { enrol: measured(50, 60, 600) }, [true, false]],
  ['a limit for what never happened', { enrol: { p99: 100 } }, {}, [false]],
  ['no limits', {}, { enrol: measured(50_000) }, []],
])('%s', (_, slos, latencies, met) => {
  expect(judgeSlos({ ...slos, errors }, { ...nothing, latencies }).map((one) => one.met)).toEqual([...met, true])
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
  const slos = { errors, recovered: { share: 1, within: 1_000 } }
  expect(judgeSlos(slos, { ...nothing, recoveries }).map((one) => one.met)).toEqual([...met, true])
})

test('it is told in words, and where its line goes in the histogram', () => {
  const latencies = { publish: measured(20) }
  expect(judgeSlos({ errors, publish: { p99: 1_500 } }, { ...nothing, latencies })).toEqual([
    {
      ...{ name: 'publish p99', wanted: '≤ 1.50 s', met: true },
      found: expect.stringMatching(/^\d+ ms$/),
      limit: { latency: 'publish', percentile: 'p99', ms: 1_500 },
    },
    { name: 'unexpected errors', wanted: '≤ 0', found: '0', met: true },
  ])
})

const reason = (name: string, count: number, expected = false) => ({ reason: name, count, expected })
test.each([
  ['what a fault explains', 0, [reason('enrol:claim-expired', 5, true)], true],
  ['one that nothing explains', 0, [reason('connect:timeout', 1)], false],
  ['as many as may be', 3, [reason('connect:timeout', 2), reason('enrol:unavailable', 1)], true],
  ['more', 2, [reason('connect:timeout', 2), reason('enrol:unavailable', 1)], false],
  ['a share of the devices', { share: 0.01 }, [reason('connect:timeout', 2)], true],
  ['more than the share', { share: 0.01 }, [reason('connect:timeout', 3)], false],
  ['a share of few devices is none', { share: 0.004 }, [reason('connect:timeout', 1)], false],
])('errors: %s', (_, unexpected, reasons, met) => {
  const found = judgeSlos({ errors: { unexpected } }, { ...nothing, reasons, devices: 200 })
  expect(found.map((one) => one.met)).toEqual([met])
})

test('errors are told with their reasons', () => {
  const reasons = [4, 3, 2, 1].map((count) => reason(`connect:${count}`, count))
  expect(judgeSlos({ errors }, { ...nothing, reasons })[0]?.found).toBe(
    '10 (4 × connect:4, 3 × connect:3, 2 × connect:2)',
  )
})
