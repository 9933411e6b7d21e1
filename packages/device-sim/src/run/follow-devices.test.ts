import { expect, test } from 'vitest'
import { followDevices } from './follow-devices.ts'
import { createTally } from './tally.ts'

const connected = (device: string, at: number, attacker?: true) =>
  ({ saw: 'connected', device, at, serial: 'a', resumed: false, ...(attacker && { attacker }) }) as const
const closed = (device: string, at: number, attacker?: true) =>
  ({ saw: 'closed', device, at, serial: 'a', byUs: false, ...(attacker && { attacker }) }) as const

function follow() {
  const tally = createTally()
  const following = followDevices(tally)
  const revoke = () => tally.latencies().revoke?.percentiles
  return { ...following, revoke }
}

test('a revoked device stays from the answer of the API until its connection is closed', () => {
  const { observe, expectRemoval, noteRemoval, revoke } = follow()
  observe(connected('a', 1_000))
  expectRemoval('a')
  noteRemoval('a', 2_000)
  expect(revoke()).toBeUndefined()
  observe(closed('a', 2_100))
  observe(closed('a', 9_000))
  expect(revoke()?.count).toBe(1)
  expect(revoke()?.max).toBeGreaterThan(95)
  expect(revoke()?.max).toBeLessThan(105)
})

test('one whose connection was closed before the answer came has not stayed', () => {
  const { observe, expectRemoval, noteRemoval, revoke } = follow()
  observe(connected('a', 1_000))
  expectRemoval('a')
  observe(closed('a', 1_990))
  noteRemoval('a', 2_000)
  expect(revoke()?.max).toBeLessThan(0.01)
})

test('one that was not connected is not measured, and no clone is taken for it', () => {
  const { observe, expectRemoval, noteRemoval, revoke } = follow()
  expectRemoval('absent')
  noteRemoval('absent', 2_000)
  observe(connected('a', 1_000))
  observe(connected('a', 1_000, true))
  expectRemoval('a')
  noteRemoval('a', 2_000)
  observe(closed('a', 2_500, true))
  expect(revoke()).toBeUndefined()
})

test('a storm is over when the wanted share of those who were there is back', () => {
  const { observe, expectReturn, recoveries } = follow()
  for (const device of ['a', 'b', 'c', 'd']) observe(connected(device, 0))
  expectReturn(2, ['a', 'b', 'c', 'd', 'absent'], 1_000, 0.75)
  for (const device of ['a', 'b', 'c', 'd']) observe(closed(device, 900))
  observe(connected('a', 950))
  observe(connected('b', 1_100))
  observe(connected('a', 1_200))
  expect(recoveries()).toEqual([{ phase: 2, wanted: 4, back: 2, afterMs: undefined }])
  observe(connected('c', 1_300))
  observe(connected('d', 5_000))
  expect(recoveries()).toEqual([{ phase: 2, wanted: 4, back: 4, afterMs: 300 }])
})

test('how devices ended is counted', () => {
  const { observe, ends } = follow()
  for (const state of ['working', 'working', 'stuck'] as const) observe({ saw: 'end', device: 'a', at: 0, state })
  expect(ends).toEqual({ working: 2, refused: 0, off: 0, stuck: 1 })
})
