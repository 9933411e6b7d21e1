import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordAudit } from './audit.ts'
import { isUniqueViolation } from './pg-errors.ts'
import { audit, fleets } from './schema/index.ts'
import { openTestDb, type TestDb } from './testing.ts'
import { transact } from './transact.ts'

let stage: TestDb
beforeAll(async () => {
  stage = await openTestDb()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const at = new Date('2026-03-01T12:00:00Z')
const nobody = async () => undefined
const entry = (subject: string) => ({ actor: 'test', action: 'test', fleet: 'f', subject, at })
const fleet = (name: string) => stage.db.$count(fleets, eq(fleets.name, name))
const audited = (subject: string) => stage.db.$count(audit, eq(audit.subject, subject))

test('what is written goes with the commit, in the order it was sent', async () => {
  const answers = await transact(stage.db, {
    ask: (tx) => Promise.all([tx.$count(fleets), tx.$count(audit)]),
    async act(tx, found, commit) {
      await commit(() => [
        tx.insert(fleets).values({ name: 'f-1', createdAt: at }).execute(),
        tx.update(fleets).set({ lateRenewalDays: 7 }).where(eq(fleets.name, 'f-1')).execute(),
        recordAudit(tx, entry('f-1')),
      ])
      return found
    },
  })
  expect(answers).toEqual([0, 0])
  const [row] = await stage.db.select().from(fleets).where(eq(fleets.name, 'f-1'))
  expect(row).toMatchObject({ lateRenewalDays: 7 })
  expect(await audited('f-1')).toBe(1)
})

test('one write that fails undoes the others, those behind it too, and is what is thrown', async () => {
  const twice = (tx: Parameters<typeof recordAudit>[0]) =>
    tx.insert(fleets).values({ name: 'f-2', createdAt: at }).execute()
  const attempt = transact(stage.db, {
    ask: nobody,
    act: (tx, _, commit) => commit(() => [twice(tx), recordAudit(tx, entry('f-2')), twice(tx), twice(tx)]),
  })
  const error = await attempt.catch((thrown: unknown) => thrown)
  expect(isUniqueViolation(error)).toBe(true)
  expect(await fleet('f-2')).toBe(0)
  expect(await audited('f-2')).toBe(0)
})

test('nothing is written where a question fails, or whoever decides does', async () => {
  let decided = false
  const failing = transact(stage.db, {
    ask: (tx) => Promise.all([tx.execute('select 1 / 0'), tx.$count(fleets)]),
    act: async () => {
      decided = true
    },
  })
  await expect(failing).rejects.toThrow()
  expect(decided).toBe(false)
  const undecided = transact(stage.db, {
    ask: (tx) => tx.insert(fleets).values({ name: 'f-3', createdAt: at }).execute(),
    act: () => Promise.reject(new Error('no')),
  })
  await expect(undecided).rejects.toThrow('no')
  expect(await fleet('f-3')).toBe(0)
})

test('a transaction that is aborted is not taken for a committed one, whoever has swallowed its error', async () => {
  const swallowed = transact(stage.db, {
    ask: nobody,
    async act(tx) {
      await tx.insert(fleets).values({ name: 'f-4', createdAt: at })
      await tx.execute('select 1 / 0').catch(() => undefined)
    },
  })
  await expect(swallowed).rejects.toThrow('ROLLBACK')
  expect(await fleet('f-4')).toBe(0)
})

test('a connection that breaks in between is not used again, and the next one is', async () => {
  const broken = transact(stage.db, {
    ask: (tx) => tx.execute<{ pid: number }>('select pg_backend_pid() as pid'),
    async act(tx, { rows }, commit) {
      await stage.db.execute(`select pg_terminate_backend(${rows[0]?.pid}, 5000)`)
      await commit(() => [tx.insert(fleets).values({ name: 'f-5', createdAt: at }).execute()])
    },
  })
  await expect(broken).rejects.toThrow()
  expect(await fleet('f-5')).toBe(0)
  await transact(stage.db, {
    ask: nobody,
    act: (tx, _, commit) => commit(() => [tx.insert(fleets).values({ name: 'f-5', createdAt: at }).execute()]),
  })
  expect(await fleet('f-5')).toBe(1)
  expect(stage.db.$client.idleCount).toBe(stage.db.$client.totalCount)
})
