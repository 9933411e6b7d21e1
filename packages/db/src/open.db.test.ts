import { sql } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import { recordAudit } from './audit.ts'
import { openDb } from './open.ts'
import { isCheckViolation, isDatabaseUnavailable, isForeignKeyViolation, isUniqueViolation } from './pg-errors.ts'
import { audit } from './schema/audit.ts'
import { fleets } from './schema/fleets.ts'
import { openTestDb } from './testing.ts'

const at = new Date('2026-01-01T00:00:00.123Z')

test('every connection of the pool takes on the role, options in the URL included', async () => {
  await using test = await openTestDb()
  const url = `${test.as('postgres')}&options=${encodeURIComponent('-c search_path=public')}`
  await using db = await openDb({ url, role: 'muster_broker', max: 4 })
  const ask = sql<{ role: string }>`select current_user as role, current_setting('search_path') as path,
    current_setting('statement_timeout') as limit, pg_sleep(0.05)`
  const answers = await Promise.all(Array.from({ length: 8 }, () => db.execute(ask)))
  for (const { rows } of answers) expect(rows).toMatchObject([{ role: 'muster_broker', path: 'public', limit: '30s' }])
})

test('a login that is not a member of the role is refused', async () => {
  await using test = await openTestDb()
  await expect(openDb({ url: test.as('muster_broker'), role: 'muster_provisioner' })).rejects.toMatchObject({
    code: 'unavailable',
  })
})

test('a broken idle connection is told and replaced', async () => {
  await using test = await openTestDb()
  const onError = vi.fn()
  await using db = await openDb({ url: test.as('muster_broker'), role: 'muster_broker', onError })
  const { rows } = await db.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`)
  await using admin = await openDb({ url: test.as('postgres') })
  await admin.execute(sql`select pg_terminate_backend(${rows[0]?.pid})`)
  await vi.waitFor(() => expect(onError).toHaveBeenCalled())
  expect(isDatabaseUnavailable(onError.mock.calls[0]?.[0])).toBe(true)
  await db.execute(sql`select 1`)
})

test('a connection that breaks inside a transaction, between two queries, fails the transaction alone', async () => {
  await using test = await openTestDb()
  await using db = await openDb({ url: test.as('muster_broker'), role: 'muster_broker' })
  await using admin = await openDb({ url: test.as('postgres') })
  const broken = db.transaction(async (tx) => {
    const { rows } = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`)
    await admin.execute(sql`select pg_terminate_backend(${rows[0]?.pid}, 5000)`)
    await new Promise((resolve) => setImmediate(resolve))
    await tx.execute(sql`select 1`)
  })
  const error = await broken.catch((caught: unknown) => caught)
  expect(isDatabaseUnavailable(error)).toBe(true)
  await db.execute(sql`select 1`)
})

test('an audit entry stands or falls with its transaction, and entries are in sequence', async () => {
  await using test = await openTestDb()
  const entry = { actor: 'operator:a', action: 'device.revoke', fleet: 'f', subject: 'd', at }
  const failed = test.db.transaction(async (tx) => {
    await recordAudit(tx, entry)
    throw new Error('changed my mind')
  })
  await expect(failed).rejects.toThrow('changed my mind')
  await test.db.transaction(async (tx) => {
    await recordAudit(tx, entry)
    await recordAudit(tx, { ...entry, detail: { reason: 'keyCompromise' }, requestId: 'r' })
  })
  const rows = await test.db.select().from(audit).orderBy(audit.seq)
  expect(rows).toMatchObject([
    { ...entry, detail: {}, requestId: null },
    { ...entry, detail: { reason: 'keyCompromise' }, requestId: 'r' },
  ])
})

test('violations are told apart', async () => {
  await using test = await openTestDb()
  const fleet = { name: 'f', createdAt: at }
  await test.db.insert(fleets).values(fleet)
  const twice = await test.db
    .insert(fleets)
    .values(fleet)
    .catch((error: unknown) => error)
  expect(isUniqueViolation(twice)).toBe(true)
  expect(isUniqueViolation(twice, 'fleets_pkey')).toBe(true)
  expect(isUniqueViolation(twice, 'devices_key')).toBe(false)
  expect(isDatabaseUnavailable(twice)).toBe(false)
  const device = (fleet: string, state: string) =>
    test.db
      .execute(
        sql`insert into devices (fleet, id, "group", policy, profile, state, key_fingerprint, enrolled_at, state_at)
          values (${fleet}, 'd', 'g', 'p', 'device', ${state}, 'k', now(), now())`,
      )
      .catch((error: unknown) => error)
  expect(isForeignKeyViolation(await device('other', 'active'))).toBe(true)
  expect(isCheckViolation(await device('f', 'asleep'), 'devices_state')).toBe(true)
})
