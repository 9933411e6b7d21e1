import { expect, test } from 'vitest'
import { readCredentials } from './read-credentials.ts'

const basic = (text: string, scheme = 'Basic') => `${scheme} ${Buffer.from(text).toString('base64')}`

test.each([
  [basic('pump-1:muster1.a.b.c'), { device: 'pump-1', claim: 'muster1.a.b.c' }],
  [basic(':muster1.a.b.c'), { claim: 'muster1.a.b.c' }],
  [basic('pump-1:with:colons', 'BASIC '), { device: 'pump-1', claim: 'with:colons' }],
])('%s', (header, expected) => {
  expect(readCredentials(header)).toEqual(expected)
})

test.each([
  undefined,
  '',
  'Basic',
  'Basic ',
  'Basic !!!!',
  basic('no colon'),
  basic('pump-1:'),
  basic('Not A Name:claim'),
  basic('../x:claim'),
  basic('pump-1:claim', 'Bearer'),
])('%s is refused', (header) => {
  expect(() => readCredentials(header)).toThrow(expect.objectContaining({ code: 'not-authenticated' }))
})
