import { expect, test } from 'vitest'
import { formatFields, formatTable, printable } from './table.ts'

test('columns are as wide as their widest cell, and nothing is an empty cell', () => {
  const rows = [
    { id: 'pump-7', label: '' },
    { id: 'a', label: 'roof' },
  ]
  const table = formatTable(rows, { id: (row) => row.id, label: (row) => row.label })
  expect(table.split('\n')).toEqual(['ID      LABEL', 'pump-7  -', 'a       roof'])
})

test('no rows leave the headings', () => {
  expect(formatTable([], { id: () => '' })).toBe('ID')
})

test('fields stand one a line', () => {
  expect(formatFields({ id: 'pump-7', connected: 'no' })).toBe('id         pump-7\nconnected  no')
})

test.each([
  ['a line\nmore', 'a line\\u000amore'],
  ['\x1b[31mred', '\\u001b[31mred'],
  ['\u202egnp.exe', '\\u202egnp.exe'],
  ['\u2028', '\\u2028'],
  ['21.5 °C, 日本', '21.5 °C, 日本'],
])('%j is shown without acting on the terminal', (text, shown) => {
  expect(printable(text)).toBe(shown)
})
