import { expect, test } from 'vitest'
import { formatFields, formatTable } from './table.ts'

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
