import { expect, test } from 'vitest'
import { steps } from '../scenario/fault.ts'
import { parseScenario } from '../scenario/parse-scenario.ts'
import { countDevices } from './fleet-layout.ts'
import { planDevice } from './plan-device.ts'

const planAll = (device: object, phases: object[] = []) => {
  const boot = { do: 'boot', over: '1s' }
  const { scenario } = parseScenario(
    JSON.stringify({ name: 'a', title: 'A', devices: { d: device }, phases: [boot, ...phases] }),
  )
  return Array.from({ length: countDevices(scenario) }, (_, index) => planDevice(scenario, 'sim', index))
}

const count = <Key extends string | number>(keys: readonly Key[]) => {
  const counts = new Map<Key, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return Object.fromEntries([...counts].sort())
}

test('mixes are exact to one device', () => {
  const plans = planAll({
    count: 1_000,
    keys: { p256: 6, p384: 1, ed25519: 3 },
    models: ['a', 'b', 'c'],
    telemetry: [{ every: '1s', qos: { '0': 1, '1': 8, '2': 1 } }],
  })
  expect(count(plans.map(({ keyAlgorithm }) => keyAlgorithm))).toEqual({ ed25519: 300, p256: 600, p384: 100 })
  expect(count(plans.map(({ streams }) => streams[0]?.level ?? -1))).toEqual({ 0: 100, 1: 800, 2: 100 })
  for (const models of Object.values(count(plans.map(({ attributes }) => attributes.model ?? ''))))
    expect(Math.abs(models - 333.3)).toBeLessThan(1)
})

test('faults fall on different devices as long as there are enough', () => {
  const plans = planAll({
    count: 200,
    claim: 'each',
    faults: [
      { do: 'clone', share: 0.1 },
      { do: 'steal-claim', share: '5%' },
      { do: 'trespass', share: 0.001 },
      { do: 'lose-keys', share: 0.84 },
    ],
  })
  expect(count(plans.flatMap(({ faults }) => faults.map(({ do: kind }) => kind)))).toEqual({
    clone: 20,
    'steal-claim': 10,
    trespass: 1,
    'lose-keys': 168,
  })
  expect(Math.max(...plans.map(({ faults }) => faults.length))).toBe(1)
})

test('where they are not enough, they begin again', () => {
  const faults = [{ do: 'cut-power' }, { do: 'lose-answer', to: 'enrol', share: '30%' }]
  const plans = planAll({ count: 10, faults })
  expect(count(plans.map((plan) => plan.faults.length))).toEqual({ 1: 7, 2: 3 })
  const seeds = plans.flatMap((plan) => plan.faults.map(({ seed }) => seed))
  expect(new Set(seeds).size).toBe(13)
})

test('a power cut after any step goes through all that the class comes to', () => {
  const cut = (device: object, phases: object[] = []) =>
    count(
      planAll({ count: 110, faults: [{ do: 'cut-power' }], ...device }, phases).flatMap(({ faults }) =>
        faults.map((fault) => ('after' in fault ? String(fault.after) : '')),
      ),
    )
  const telemetry = [{ every: '1s' }]
  expect(cut({ telemetry }, [{ do: 'renew', over: '1s' }])).toEqual(Object.fromEntries(steps.map((step) => [step, 10])))
  const first = Object.keys(cut({ telemetry }))
  expect(first.toSorted()).toEqual(steps.slice(0, 8).toSorted())
  expect(Object.keys(cut({}))).not.toContain('published')
})

test('a clock is off by what is said, or by something between two', () => {
  expect(planAll({ count: 1, clock: { skew: '-1h' } })[0]?.clock).toEqual({
    skewMs: -3_600_000,
    driftPpm: 0,
    bootsAt: undefined,
  })
  const clocks = planAll({ count: 100, clock: { skew: ['-5m', '10m'], drift: 200, bootsAt: '1970-01-01T00:00:00Z' } })
  for (const { clock } of clocks) {
    expect(clock).toMatchObject({ driftPpm: 200, bootsAt: 0 })
    expect(clock.skewMs).toBeGreaterThanOrEqual(-300_000)
    expect(clock.skewMs).toBeLessThanOrEqual(600_000)
  }
  expect(new Set(clocks.map(({ clock }) => clock.skewMs)).size).toBeGreaterThan(90)
})
