import { describe, expect, test } from 'vitest'
import { planDevice } from '../plan/plan-device.ts'
import type { FaultKind } from '../scenario/fault.ts'
import { Scenario } from '../scenario/schema.ts'
import { expectsOf, mayBeCutOff } from './expected.ts'

function planOf(thing: object) {
  const scenario = Scenario.parse({
    ...{ name: 'one', title: 'One device', devices: { thing: { count: 1, claim: 'each', ...thing } } },
    phases: [
      { do: 'boot', over: '1s' },
      { do: 'renew', over: '1s' },
    ],
  })
  return planDevice(scenario, 'sim', 0)
}

type Row = [what: string, thing: object, played: FaultKind[], doing: 'enrol' | 'renew' | 'connect', code: string]
const explained: Row[] = [
  ['a network that cuts connections', { network: { disconnectEvery: '60s' } }, [], 'connect', 'timeout'],
  ['a network that loses packets', { network: { loss: '2%' } }, [], 'connect', 'closed before connack'],
  ['the same, and a reset', { network: { loss: '2%' } }, [], 'connect', 'econnreset'],
  ['the same, at enrolment', { network: { loss: '2%' } }, [], 'enrol', 'unavailable'],
  ['a clock that is hours off', { clock: { skew: '-6h' } }, [], 'enrol', 'certificate-not-yet-valid'],
  [
    'an answer that was lost',
    { faults: [{ do: 'lose-answer', to: 'renew' }] },
    ['lose-answer'],
    'renew',
    'unavailable',
  ],
  ['a claim that has ended', { faults: [{ do: 'shelf', ended: 'claim' }] }, ['shelf'], 'enrol', 'claim-expired'],
]
const unexplained: Row[] = [
  ['a good network', {}, [], 'connect', 'timeout'],
  ['a slow network that loses nothing', { network: { latency: '270ms' } }, [], 'connect', 'econnreset'],
  ['a refusal on a bad network', { network: { loss: '2%' } }, [], 'connect', 'certificate-unknown'],
  ['a fault that has not been played', { faults: [{ do: 'shelf', ended: 'claim' }] }, [], 'enrol', 'claim-expired'],
  ['another fault', { faults: [{ do: 'lose-keys' }] }, ['lose-keys'], 'connect', 'device-revoked'],
]

describe('what a device hears', () => {
  test.each(explained)('is explained by %s', (_, thing, played, doing, code) => {
    expect(expectsOf(planOf(thing), new Set(played))(doing, code)).toBe(true)
  })
  test.each(unexplained)('is not explained by %s', (_, thing, played, doing, code) => {
    expect(expectsOf(planOf(thing), new Set(played))(doing, code)).toBe(false)
  })
})

test.each([
  [{}, false],
  [{ network: { latency: '270ms', bandwidth: '32KiB' } }, false],
  [{ network: { loss: '1%' } }, true],
  [{ network: { disconnectEvery: '60s' } }, true],
  [{ faults: [{ do: 'cut-power' }] }, true],
  [{ faults: [{ do: 'lose-answer', to: 'renew' }] }, true],
  [{ faults: [{ do: 'lose-answer', to: 'enrol' }] }, false],
  [{ faults: [{ do: 'steal-claim' }] }, false],
])('%j explains the end of a connection: %s', (thing, explains) => {
  expect(mayBeCutOff(planOf(thing))).toBe(explains)
})
