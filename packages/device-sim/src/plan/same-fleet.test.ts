import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseScenario } from '../scenario/parse-scenario.ts'
import type { Scenario } from '../scenario/schema.ts'
import { countDevices } from './fleet-layout.ts'
import { planDevice } from './plan-device.ts'
import { planTurns } from './plan-turns.ts'

const write = (seed: number) => `
name: everything
title: All that is drawn
seed: ${seed}
devices:
  meter:
    count: 200
    claim: each
    keys: { p256: 3, ed25519: 1 }
    models: [m-1, m-2]
    clock: { skew: [-1h, 1h], drift: 50 }
    telemetry: [{ every: 10s, qos: { '0': 1, '1': 2, '2': 1 } }, { topic: state/energy, every: 1m, payload: { shape: meter } }]
    faults: [{ do: cut-power, share: 30% }, { do: clone, share: 5% }, { do: steal-claim, share: 5% }]
  tracker: { count: 57, telemetry: [{ every: 1s, payload: { shape: position } }], faults: [{ do: lose-keys, share: 0.2 }] }
phases:
  - { do: boot, over: 10s }
  - { do: storm, share: 50% }
  - { do: revoke, share: 5%, over: 5s }
  - { do: command, for: 10s, perSecond: 20 }
  - { do: firmware, over: 10s, waves: 4 }
  - { do: renew, over: 10s }
`
/** A scenario that was read anew: what one plan remembers must not be what makes the next one equal. */
const read = (seed: number) => parseScenario(write(seed)).scenario

const planAll = (scenario: Scenario, prefix = 'sim') =>
  Array.from({ length: countDevices(scenario) }, (_, index) => planDevice(scenario, prefix, index))
const turnsOfAll = (scenario: Scenario) => scenario.phases.map((_, index) => planTurns(scenario, index))

test('same seed, same devices, faults and turns', () => {
  expect(planAll(read(7))).toEqual(planAll(read(7)))
  expect(turnsOfAll(read(7))).toEqual(turnsOfAll(read(7)))
})

test('another seed, another fleet', () => {
  const drawn = (seed: number, of: (plan: ReturnType<typeof planDevice>) => unknown) => planAll(read(seed)).map(of)
  for (const of of [
    (plan) => plan.keyAlgorithm,
    (plan) => plan.attributes,
    (plan) => plan.streams.map(({ level, firstAfterMs }) => [level, firstAfterMs]),
    (plan) => plan.clock,
    (plan) => plan.faults,
  ] satisfies Parameters<typeof drawn>[1][])
    expect(drawn(7, of)).not.toEqual(drawn(8, of))
  for (const [index, turns] of turnsOfAll(read(7)).entries()) expect(turns).not.toEqual(planTurns(read(8), index))
})

test('however many workers plan it, in whatever order', () => {
  const whole = planAll(read(3))
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 9 }),
      fc.boolean(),
      (cuts, backwards) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), whole.length]
        const parts = bounds.slice(1).map((to, worker) => {
          const scenario = read(3)
          const from = bounds[worker] ?? 0
          const indexes = Array.from({ length: to - from }, (_, index) => from + index)
          const plans = (backwards ? indexes.toReversed() : indexes).map((index) => planDevice(scenario, 'sim', index))
          return backwards ? plans.toReversed() : plans
        })
        expect(parts.flat()).toEqual(whole)
      },
    ),
    { numRuns: 6 },
  )
})

test('the names of a run change the names of its devices and nothing else', () => {
  const withoutName = (prefix: string) => planAll(read(3), prefix).map(({ device: _, ...rest }) => rest)
  expect(withoutName('one')).toEqual(withoutName('other'))
  expect(planDevice(read(3), 'run', 0).device).toBe('run-meter-00001')
  expect(planDevice(read(3), 'run', 256).device).toBe('run-tracker-00057')
  expect(() => planDevice(read(3), 'run', 257)).toThrow(RangeError)
})

test('ten thousand devices are planned in a fraction of a second', () => {
  const { scenario } = parseScenario(write(1), { devices: 10_000 })
  const begin = process.cpuUsage()
  expect(planAll(scenario)).toHaveLength(10_000)
  // Takes 0.2 s where nothing else is done.
  expect(process.cpuUsage(begin).user).toBeLessThan(10_000_000)
})
