import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { operatorTokens } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'
import { authenticateOperator } from './authenticate.ts'
import { ensureOperatorToken } from './ensure-token.ts'

let stage: Stage
let directory: string
beforeAll(async () => {
  stage = await openStage()
  directory = await mkdtemp(join(tmpdir(), 'muster-token-'))
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const authenticate = (header: string | undefined) => authenticateOperator(stage.deps, header)
const idOf = (token: string) => token.split('_')[2] ?? ''
const ensure = (path: string) =>
  stage.deps.db.transaction((tx) => ensureOperatorToken(tx, path, 'provisioner-1', stage.deps.now()))

test('a token speaks for its operator', async () => {
  expect(await authenticate(`Bearer ${stage.token}`)).toBe(`operator:${idOf(stage.token)}`)
  expect(await authenticate(`bearer ${stage.token}`)).toBe(`operator:${idOf(stage.token)}`)
})

test('anything else speaks for nobody', async () => {
  const { token } = stage
  const other = token.endsWith('A') ? 'B' : 'A'
  for (const header of [
    undefined,
    '',
    'Bearer',
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token.slice(0, -1)}${other}`,
    `Basic ${token}`,
    token,
    `Bearer ${token.replace(idOf(token), '0123456789abcdef')}`,
    "Bearer muster_op_' or 1=1--",
  ])
    expect(await refusalOf(authenticate(header))).toBe('not-authenticated')
})

test('a revoked token speaks for nobody', async () => {
  const path = join(directory, 'revoked')
  await ensure(path)
  const token = (await readFile(join(path, 'operator-token'), 'utf8')).trim()
  expect(await authenticate(`Bearer ${token}`)).toBe(`operator:${idOf(token)}`)
  await stage.deps.db
    .update(operatorTokens)
    .set({ revokedAt: stage.deps.now() })
    .where(eq(operatorTokens.id, idOf(token)))
  expect(await refusalOf(authenticate(`Bearer ${token}`))).toBe('not-authenticated')
  await ensure(path)
  expect(await refusalOf(authenticate(`Bearer ${token}`))).toBe('not-authenticated')
})

test('the first token: a file for its owner alone, made once, its hash on record', async () => {
  const path = join(directory, 'first')
  await ensure(path)
  const file = join(path, 'operator-token')
  const token = (await readFile(file, 'utf8')).trim()
  await ensure(path)
  expect((await readFile(file, 'utf8')).trim()).toBe(token)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readdir(path)).toEqual(['operator-token'])
  expect(await stage.audited(idOf(token))).toMatchObject([{ actor: 'provisioner-1', action: 'operator-token.create' }])
})

test('a start cut off between file and row goes on', async () => {
  const path = join(directory, 'cut')
  const cut = stage.deps.db.transaction(async (tx) => {
    await ensureOperatorToken(tx, path, 'provisioner-1', stage.deps.now())
    throw new Error('power cut')
  })
  await expect(cut).rejects.toThrow('power cut')
  const token = (await readFile(join(path, 'operator-token'), 'utf8')).trim()
  expect(await refusalOf(authenticate(`Bearer ${token}`))).toBe('not-authenticated')
  await ensure(path)
  expect(await authenticate(`Bearer ${token}`)).toBe(`operator:${idOf(token)}`)
})

test('a file that holds something else is not touched', async () => {
  const file = join(directory, 'operator-token')
  await writeFile(file, 'precious')
  expect(await refusalOf(ensure(directory))).toBe('conflict')
  expect(await readFile(file, 'utf8')).toBe('precious')
})
