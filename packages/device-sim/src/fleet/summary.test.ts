import { expect, test } from 'vitest'
import { Account } from '../worker/account.ts'
import { formatSummary } from './format-summary.ts'
import { createTally } from './summary.ts'

const start = (devices = 1, seed = 1) => {
  const account = new Account()
  return { account, tally: createTally(account, { devices, seed }) }
}

test('failures are counted by what was done and the code, the most frequent first', () => {
  const { account, tally } = start()
  for (const [doing, code] of [
    ['enrol', 'unavailable'],
    ['publish', '0x87'],
    ['publish', '0x87'],
  ] as const)
    account.note(doing, code, false)
  expect(Object.entries(tally.summarise().failures)).toEqual([
    ['publish:0x87', 2],
    ['enrol:unavailable', 1],
  ])
})

test('a summary does not change after it was made', () => {
  const { account, tally } = start()
  const summary = tally.summarise()
  account.counts.published += 1
  expect(summary.counts.published).toBe(0)
})

test('the table names all figures', () => {
  const { account, tally } = start(20, 7)
  account.counts.acknowledged = 1234
  account.counts.skipped = 56
  account.record('publish', 12.3)
  account.note('connect', 'device-revoked', false)
  tally.refuse()
  tally.renew(4_560)
  const table = formatSummary(tally.summarise())
  for (const part of ['20 devices', 'seed 7', '1234', 'skipped 56', 'refused 1', 'renewals 1', 'p99'])
    expect(table).toContain(part)
  expect(table).toMatch(/publish +1 +12\./)
  expect(table).toMatch(/overlap +1 +4[4-6]\d\d\./)
  expect(table).toContain('1 x connect:device-revoked')
})
