import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { errorCodes } from './errors.ts'
import { adviceFor, refusalAdvice } from './refusal-advice.ts'

test('docs/refusals.md has the same words, code by code', async () => {
  const page = await readFile(new URL('../../../docs/refusals.md', import.meta.url), 'utf8')
  const table = /## What to do\n([\s\S]*?)\n## /.exec(page)?.[1] ?? ''
  const rows = [...table.matchAll(/^\| `([^`]+)` \| (.+) \| (.+) \|$/gm)].map(([, code, operator, device]) => [
    code,
    { operator, device },
  ])
  expect(Object.fromEntries(rows)).toEqual(refusalAdvice)
})

test('there is advice for every code', () => {
  for (const code of errorCodes) expect(adviceFor(code).operator).not.toBe('')
})
