import { readFileSync } from 'node:fs'
import { errorCodes } from '@muster/contracts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { InvalidRequest, problems } from './problem.ts'

test('every code has a status of its kind', () => {
  expect(Object.keys(problems).sort()).toEqual([...errorCodes].sort())
  for (const { status } of Object.values(problems)) expect(status).toBeGreaterThanOrEqual(400)
})

test('docs/errors.md has exactly the codes there are, in their order', () => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  expect([...page.matchAll(/^### `([a-z-]+)`$/gm)].map(([, code]) => code)).toEqual([...errorCodes])
})

test('what zod finds is told by JSON pointer', () => {
  const schema = z.object({ list: z.array(z.number()), 'a/b~c': z.string() })
  const { error } = schema.safeParse({ list: [1, 'x'], 'a/b~c': 1 })
  if (!error) throw new Error('no error')
  expect(new InvalidRequest('json', error).errors.map(({ pointer }) => pointer)).toEqual(['/list/1', '/a~1b~0c'])
})
