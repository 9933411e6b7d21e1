import { expect, test } from 'vitest'
import { listPositions, nameDevice, parseSettings } from './settings.ts'

const settings = { url: 'https://localhost', claim: 'claim', devices: 3 }
const names = (skip: string[]) => {
  const parsed = parseSettings({ ...settings, skip })
  return listPositions(parsed).map((position) => nameDevice(parsed.prefix, position))
}

test('devices are numbered from one', () => {
  expect(names([])).toEqual(['sim-0001', 'sim-0002', 'sim-0003'])
})

test('a name that is skipped is replaced by the next', () => {
  expect(names(['sim-0002', 'other-0001'])).toEqual(['sim-0001', 'sim-0003', 'sim-0004'])
})
