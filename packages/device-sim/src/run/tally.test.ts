import { expect, test } from 'vitest'
import { Latency } from '../measure/latency.ts'
import { type Counts, noCounts, type Tick } from '../worker/messages.ts'
import { createTally } from './tally.ts'

function tick(at: number, counts: Partial<Counts>, more: Partial<Tick> = {}): Tick {
  const usage = { cpuMs: at, rssBytes: 1_000 + at, heapBytes: 0 }
  return { at, counts: { ...noCounts, ...counts }, latencies: {}, reasons: {}, expected: {}, usage, ...more }
}

function buckets(...ms: number[]) {
  const latency = new Latency()
  for (const one of ms) latency.record(one)
  return latency.buckets()
}

test('workers add up; each says totals', () => {
  const tally = createTally()
  tally.add('1', tick(0, { enrolled: 3 }))
  tally.add('2', tick(0, { enrolled: 4, connected: 2 }))
  tally.add('1', tick(1_000, { enrolled: 5 }))
  expect(tally.counts()).toMatchObject({ enrolled: 9, connected: 2 })
})

test('latencies of workers and of the coordinator are one histogram each', () => {
  const tally = createTally()
  tally.add('1', tick(0, {}, { latencies: { enrol: buckets(10, 10) } }))
  tally.add('2', tick(0, {}, { latencies: { enrol: buckets(1_000) } }))
  tally.record('command', 5)
  expect(tally.latencies().enrol?.percentiles.count).toBe(3)
  expect(tally.latencies().enrol?.percentiles.max).toBeGreaterThan(900)
  expect(tally.latencies().command?.percentiles.count).toBe(1)
})

test('a second has its own percentiles and rates, the last ten are the recent ones', () => {
  const tally = createTally()
  tally.add('1', tick(0, { published: 10 }, { latencies: { publish: buckets(900) } }))
  tally.endSecond(1_000)
  tally.add('1', tick(1_000, { published: 40 }, { latencies: { publish: buckets(1) } }))
  tally.endSecond(2_000)
  expect(tally.timeline.map(({ latencies }) => latencies.publish?.count)).toEqual([1, 1])
  expect(tally.timeline[1]?.latencies.publish?.max).toBeLessThan(2)
  expect(tally.rates().published).toBe(30)
  expect(tally.recentLatencies().publish?.count).toBe(2)
  for (let second = 3; second < 13; second += 1) tally.endSecond(second * 1_000)
  expect(tally.recentLatencies().publish).toBeUndefined()
  expect(tally.latencies().publish?.percentiles.count).toBe(2)
})

test('what a fault explains is told apart from what nothing does', () => {
  const tally = createTally()
  tally.add(
    '1',
    tick(0, {}, { reasons: { 'enrol:claim-expired': 5, 'connect:0x87': 1 }, expected: { 'enrol:claim-expired': 3 } }),
  )
  tally.add('2', tick(0, {}, { reasons: { 'enrol:claim-expired': 1 }, expected: { 'enrol:claim-expired': 1 } }))
  tally.count('command:unanswered', false)
  tally.count('command:device-absent', true)
  expect(tally.reasons()).toEqual([
    { reason: 'enrol:claim-expired', count: 4, expected: true },
    { reason: 'enrol:claim-expired', count: 2, expected: false },
    { reason: 'command:device-absent', count: 1, expected: true },
    { reason: 'command:unanswered', count: 1, expected: false },
    { reason: 'connect:0x87', count: 1, expected: false },
  ])
  tally.endSecond(1_000)
  expect(tally.timeline[0]?.errors).toEqual({ expected: 5, unexpected: 4 })
})

test('the share of a core and the peak of memory', () => {
  const tally = createTally()
  const usage = (cpuMs: number, rssBytes: number) => ({ usage: { cpuMs, rssBytes, heapBytes: 0 } })
  tally.add('1', tick(0, {}, usage(0, 100)))
  tally.add('1', tick(1_000, {}, usage(500, 900)))
  tally.add('1', tick(2_000, {}, usage(600, 300)))
  expect(tally.usages.get('1')).toEqual({ cpuMs: 600, rssBytes: 300, rssPeakBytes: 900, cpuShare: 0.1 })
})
