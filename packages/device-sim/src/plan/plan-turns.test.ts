import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseScenario } from '../scenario/parse-scenario.ts'
import { countDevices, layFleetOut } from './fleet-layout.ts'
import { planTurns } from './plan-turns.ts'

const read = (devices: Record<string, number>, phases: object[]) => {
  const classes = Object.entries(devices).map(([name, count]) => [name, { count }])
  const scenario = { name: 'a', title: 'A', devices: Object.fromEntries(classes), phases }
  return parseScenario(JSON.stringify(scenario)).scenario
}
const boot = { do: 'boot', over: '10s' }
const indexes = (scenario: ReturnType<typeof read>, phase: number) =>
  planTurns(scenario, phase).map(({ index }) => index)

/** How many of each class. */
const countClasses = (scenario: ReturnType<typeof read>, chosen: readonly number[]) =>
  layFleetOut(scenario).map(({ from, count }) => chosen.filter((index) => index >= from && index < from + count).length)

test('a boot switches on every device once, evenly over the time and over the classes', () => {
  const scenario = read({ small: 10, big: 990 }, [boot])
  const turns = planTurns(scenario, 0)
  expect(new Set(turns.map(({ index }) => index)).size).toBe(countDevices(scenario))
  expect(turns.map(({ atMs }) => atMs)).toEqual(turns.map((_, place) => place * 10))
  for (const from of [0, 100, 500, 900])
    expect(countClasses(scenario, indexes(scenario, 0).slice(from, from + 100))).toEqual([1, 99])
})

test('boots that share a class leave nobody out and switch nobody on twice', () => {
  const third = (share: number) => ({ ...boot, of: ['d'], share })
  const scenario = read({ d: 10, e: 3 }, [{ ...boot, of: ['e'] }, third(0.33), third(0.33), third(0.34)])
  const all = [0, 1, 2, 3].map((phase) => indexes(scenario, phase))
  expect(all.map(({ length }) => length)).toEqual([3, 3, 4, 3])
  expect(new Set(all.flat()).size).toBe(13)
})

test('a share is exact to one device in all, and in each class', () => {
  const scenario = read({ a: 1_000, b: 510, c: 7 }, [boot, { do: 'revoke', share: '5%', over: '1s' }])
  const revoked = indexes(scenario, 1)
  expect(revoked).toHaveLength(76)
  expect(countClasses(scenario, revoked)).toEqual([50, 26, 0])
  const few = read({ a: 3, b: 3 }, [boot, { do: 'revoke', share: '1%', over: '1s' }])
  expect(indexes(few, 1)).toHaveLength(1)
})

test('whatever the classes and the share: exact to one device in all, and to one in each class', () => {
  const counts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(counts, fc.double({ min: 0.001, max: 1, noNaN: true }), (sizes, share) => {
      const devices = Object.fromEntries(sizes.map((count, index) => [`c${index}`, count]))
      const scenario = read(devices, [boot, { do: 'renew', share, over: '1s' }])
      const chosen = indexes(scenario, 1)
      const wanted = share * countDevices(scenario)
      expect(new Set(chosen).size).toBe(chosen.length)
      expect(Math.abs(chosen.length - wanted)).toBeLessThan(1)
      for (const [index, count] of countClasses(scenario, chosen).entries())
        expect(Math.abs(count - (chosen.length * (sizes[index] ?? 0)) / countDevices(scenario))).toBeLessThan(1)
    }),
  )
})

test('who was revoked, or is not yet switched on, takes no part', () => {
  const scenario = read({ a: 100, late: 10 }, [
    { ...boot, of: ['a'] },
    { do: 'revoke', of: ['a'], share: '30%', over: '1s' },
    { do: 'revoke', of: ['a'], share: '30%', over: '1s' },
    { do: 'storm' },
    { ...boot, of: ['late'] },
    { do: 'renew', over: '1s' },
  ])
  const [first, second, storm, renew] = [1, 2, 3, 5].map((phase) => new Set(indexes(scenario, phase)))
  expect([first?.size, second?.size, storm?.size, renew?.size]).toEqual([30, 30, 40, 50])
  expect(first?.isDisjointFrom(second ?? new Set())).toBe(true)
  expect(storm?.isDisjointFrom(first?.union(second ?? new Set()) ?? new Set())).toBe(true)
})

test('phases of one kind take other devices each', () => {
  const half = { do: 'storm', share: '50%' }
  const scenario = read({ a: 100 }, [boot, half, half])
  expect(indexes(scenario, 1).toSorted()).not.toEqual(indexes(scenario, 2).toSorted())
})

test('commands go to one device after the other, as many as were asked for', () => {
  const scenario = read({ a: 4 }, [boot, { do: 'command', for: '5s', perSecond: 2 }])
  const turns = planTurns(scenario, 1)
  expect(turns.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 10 }, (_, number) => number * 500))
  expect(new Set(turns.slice(0, 4).map(({ index }) => index)).size).toBe(4)
  expect(turns[4]?.index).toBe(turns[0]?.index)
})

test('firmware comes in waves', () => {
  const scenario = read({ a: 100 }, [boot, { do: 'firmware', over: '10s', waves: 4 }])
  const times = planTurns(scenario, 1).map(({ atMs }) => atMs)
  expect([...new Set(times)]).toEqual([0, 2_500, 5_000, 7_500])
  expect(times.filter((at) => at === 2_500)).toHaveLength(25)
})

test('a phase that takes no devices has no turns, and one that does not exist is a mistake', () => {
  const scenario = read({ a: 4 }, [boot, { do: 'steady', for: '5s' }])
  expect(planTurns(scenario, 1)).toEqual([])
  expect(() => planTurns(scenario, 2)).toThrow(RangeError)
})
