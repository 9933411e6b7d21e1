import { MusterError } from '@muster/contracts'
import { expect, test } from 'vitest'
import { Scenario } from '../scenario/schema.ts'
import { requireShortLives } from './require-short-lives.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
const scenarioOf = (ended: string) =>
  Scenario.parse({
    ...{
      name: 'box',
      title: 'In a box',
      devices: { boxed: { count: 1, claim: 'each', faults: [{ do: 'shelf', ended }] } },
    },
    phases: [{ do: 'boot', over: '1s' }],
  })

test.each([
  ['claim', 90 * dayMs],
  ['certificate', 15 * minuteMs],
])('a shelf until the %s has ended is played where certificates live for %i ms', (ended, lifeMs) => {
  expect(() => requireShortLives(scenarioOf(ended), lifeMs)).not.toThrow()
})

test('a certificate that lives for months is not waited for, and it is said what is missing', () => {
  const play = () => requireShortLives(scenarioOf('certificate'), 90 * dayMs - 12)
  expect(play).toThrow(MusterError)
  expect(play).toThrow(/devices of boxed .* for 90d: .*MUSTER_CERTIFICATE_VALIDITY=5m \(15m at most\)$/)
})
