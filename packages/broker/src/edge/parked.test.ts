import { expect, test } from 'vitest'
import { Parked } from './parked.ts'

test('of one address whoever came first is next, however often others come back', () => {
  const parked = new Parked<{ group: string; name: string }>()
  const honest = { group: 'nat', name: 'honest' }
  const hammer = { group: 'nat', name: 'hammer' }
  parked.add(hammer)
  parked.add(honest)
  expect(parked.take('nat')).toBe(hammer)
  parked.add(hammer)
  expect(parked.take('nat')).toBe(honest)
  expect([parked.size, parked.countOf('nat'), parked.take('other')]).toEqual([1, 1, undefined])
})
