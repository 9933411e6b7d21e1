import { randomUUID } from 'node:crypto'
import { type ErrorCode, RefusalsQuery } from '@muster/contracts'
import { recordRefusal, refusals, refusalWriters } from '@muster/db'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStage, type Stage } from '../testing/stage.ts'
import { listRefusals } from './list.ts'
import { pruneRefusals } from './prune.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
  const seen: [string, string, ErrorCode, string, boolean][] = [
    ['default', 'a', 'certificate-unknown', '192.0.2.1', true],
    ['default', 'b', 'publish-denied', '192.0.2.2', false],
    ['other', 'a', 'client-id-mismatch', '192.0.2.1', false],
    ['nowhere', 'x', 'certificate-untrusted', '192.0.2.3', false],
    ['', '', 'tls-required', '192.0.2.3', false],
  ]
  for (const [index, [fleet, device, code, address, alert]] of seen.entries()) {
    const at = new Date(stage.deps.now().getTime() + index * 1_000)
    await recordRefusal(stage.deps.db, { fleet, device, code, address, alert, detail: 'x', at })
  }
})
afterAll(() => stage?.[Symbol.asyncDispose]())

async function codes(query: object): Promise<ErrorCode[]> {
  const all: ErrorCode[] = []
  let cursor: string | undefined
  do {
    const { items, next } = await listRefusals(stage.deps, RefusalsQuery.parse({ limit: 2, cursor, ...query }))
    all.push(...items.map(({ code }) => code))
    cursor = next ?? undefined
  } while (cursor)
  return all
}

test('alerts first, then the newest, of all fleets and of nobody’s', async () => {
  expect(await codes({})).toEqual([
    'certificate-unknown',
    'tls-required',
    'certificate-untrusted',
    'client-id-mismatch',
    'publish-denied',
  ])
})

test.each<[object, ErrorCode[]]>([
  [{ fleet: 'default' }, ['certificate-unknown', 'publish-denied']],
  [{ device: 'a' }, ['certificate-unknown', 'client-id-mismatch']],
  [{ code: 'tls-required' }, ['tls-required']],
  [{ address: '192.0.2.3' }, ['tls-required', 'certificate-untrusted']],
  [{ alert: 'true' }, ['certificate-unknown']],
])('%j', async (query, expected) => {
  expect(await codes(query)).toEqual(expected)
})

test('since', async () => {
  const since = new Date(stage.deps.now().getTime() + 3_000).toISOString()
  expect(await codes({ since })).toEqual(['tls-required', 'certificate-untrusted'])
})

test('what happened last before the retention is forgotten, and nothing else', async () => {
  const { db } = stage.deps
  const now = () => new Date(stage.deps.now().getTime() + 60_000)
  expect(await pruneRefusals({ db, now }, 57_500)).toBe(3)
  expect(await db.$count(refusals)).toBe(2)
  expect(await pruneRefusals({ db, now }, 57_500)).toBe(0)
})

test('the numbers of logs that have been silent for a day are forgotten', async () => {
  const { db, now } = stage.deps
  const [old, recent] = [randomUUID(), randomUUID()]
  for (const [writer, hours] of [
    [old, 25],
    [recent, 23],
  ] as const) {
    const at = new Date(now().getTime() - hours * 3_600_000)
    await stage.owner.insert(refusalWriters).values({ writer, batch: 1, at })
  }
  await pruneRefusals({ db, now }, 3_600_000)
  expect(await stage.owner.select({ writer: refusalWriters.writer }).from(refusalWriters)).toEqual([{ writer: recent }])
})
