import { expect, test } from 'vitest'
import { chooseName } from './choose-name.ts'

test.each([
  [['a'], undefined, 'a'],
  [['a'], 'a', 'a'],
  [['a', 'b'], 'b', 'b'],
  [null, 'c', 'c'],
])('claim %j, asked %s: %s', (claimed, asked, name) => expect(chooseName(claimed, asked)).toBe(name))

test.each([
  [['a'], 'b', 'device-name-mismatch'],
  [['a', 'b'], 'c', 'device-name-mismatch'],
  [['a', 'b'], undefined, 'device-name-missing'],
  [null, undefined, 'device-name-missing'],
])('claim %j, asked %s: %s', (claimed, asked, code) =>
  expect(() => chooseName(claimed, asked)).toThrow(expect.objectContaining({ code })),
)
