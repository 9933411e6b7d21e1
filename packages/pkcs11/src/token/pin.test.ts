import { expect, test } from 'vitest'
import { findPinProblem } from './pin.ts'

// PKCS #11 v2.40 §3.2: initialised, login required, user PIN set, and one wrong PIN since the last good one.
const [usual, countLow, finalTry, locked] = [0x40c, 0x10000, 0x20000, 0x40000]

test('the last try is left to a person', () => {
  expect(findPinProblem(usual)).toBeUndefined()
  expect(findPinProblem(usual | countLow)).toBeUndefined()
  expect(findPinProblem(usual | countLow | finalTry)).toContain('one try left')
  expect(findPinProblem(usual | locked)).toContain('locked')
})
