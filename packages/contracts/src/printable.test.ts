import { expect, test } from 'vitest'
import { printable } from './printable.ts'

test.each([
  ['a line\nmore', 'a line\\u000amore'],
  ['\x1b[31mred', '\\u001b[31mred'],
  ['\u202egnp.exe', '\\u202egnp.exe'],
  ['\u2028', '\\u2028'],
  ['21.5 °C, 日本', '21.5 °C, 日本'],
])('%j is shown without acting on the terminal', (text, shown) => {
  expect(printable(text)).toBe(shown)
})
