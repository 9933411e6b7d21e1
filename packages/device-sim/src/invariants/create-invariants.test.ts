import { expect, test } from 'vitest'
import type { InvariantName } from './invariant.ts'
import { broken, working } from './testing.ts'

test('a device that works, and a platform that says the same', async () => {
  expect(await broken({ told: working })).toEqual([])
})

test('nothing to judge is no success', async () => {
  const none = { devices: [], certificates: [], telemetry: [] }
  const told: InvariantName[] = ['no-bricked-device', 'one-certificate', 'stored-once', 'topics-within-policy']
  expect(await broken({ told: [], answers: none })).toEqual([...told, 'nothing-left-behind'])
  expect(await broken({ told: working, phases: [{ do: 'revoke', over: '1s' }] })).toEqual(['silent-after-receipt'])
  expect(await broken({ told: [...working, { saw: 'fault', fault: 'wrong-ca' }] })).toEqual(['refusals-explained'])
})
