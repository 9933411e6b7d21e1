import { readFile } from 'node:fs/promises'
import { revocationReasons } from '@muster/contracts'
import { expect, test } from 'vitest'
import { createJsonSchema } from './json-schema.ts'
import { listLibrary } from './library.ts'

const page = await readFile(new URL('../../../../docs/simulator.md', import.meta.url), 'utf8')

/** Names of fields, and what may stand in those that choose: `do`, `shape`, `after`, … */
function* listWords(schema: unknown): Generator<string> {
  if (schema === null || typeof schema !== 'object') return
  const { properties = {}, enum: choices = [], const: only } = schema as Record<string, unknown>
  yield* Object.keys(properties as object)
  for (const word of [...(choices as unknown[]), only]) if (typeof word === 'string') yield word
  for (const inner of Object.values(schema)) yield* listWords(inner)
}
const ofRevocation: readonly string[] = revocationReasons
const words = [...new Set(listWords(createJsonSchema()))].filter(
  (word) => word === 'keyCompromise' || !ofRevocation.includes(word),
)

test('docs/simulator.md tells of every field and choice of the schema', () => {
  expect(words.length).toBeGreaterThan(80)
  const prose = page.replaceAll(/```[\s\S]*?```/g, '')
  const spans = [...prose.matchAll(/`([^`]+)`/g)].flatMap(([, span = '']) => span.split(/[^\w-]+/))
  expect(words.filter((word) => !spans.includes(word))).toEqual([])
})

test('and of every scenario of the library', async () => {
  for (const name of await listLibrary()) expect(page).toContain(`| \`${name}\` |`)
})
