import { expect, test } from 'vitest'
import { z } from 'zod'
import { decodeCursor, encodeCursor, toPage } from './paging.ts'

const Key = z.tuple([z.string(), z.int()])

test('a cursor comes back as it was', () => {
  expect(decodeCursor(encodeCursor(['a', 7]), Key)).toEqual(['a', 7])
  expect(decodeCursor(undefined, Key)).toBeUndefined()
})

test.each(['', '!!', encodeCursor(['a']), encodeCursor([7, 'a']), Buffer.from('{"a":1}').toString('base64url')])(
  'cursor %j is refused',
  (cursor) => expect(() => decodeCursor(cursor, Key)).toThrow(expect.objectContaining({ code: 'request-invalid' })),
)

test('the next page begins after the last row shown', () => {
  const present = (row: number) => row * 10
  const position = (row: number) => [row]
  expect(toPage([1, 2, 3], 2, present, position)).toEqual({ items: [10, 20], next: encodeCursor([2]) })
  expect(toPage([1, 2], 2, present, position)).toEqual({ items: [10, 20], next: null })
  expect(toPage([], 2, present, position)).toEqual({ items: [], next: null })
})
