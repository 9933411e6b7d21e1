import pg from 'pg'
import { expect, test } from 'vitest'
import { migrateDb } from './migrate.ts'
import { openDb } from './open.ts'
import { audit } from './schema/audit.ts'
import { openTestDb } from './testing.ts'

async function query<T extends pg.QueryResultRow>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<T>(text)).rows
  } finally {
    await client.end()
  }
}

test('eight processes migrate an empty database together, once', async () => {
  await using test = await openTestDb({ template: 'template0' })
  await Promise.all(Array.from({ length: 8 }, () => migrateDb(test.url)))
  const [applied] = await query<{ all: number; distinct: number }>(
    test.url,
    'select count(*)::int as all, count(distinct hash)::int as distinct from drizzle.__drizzle_migrations',
  )
  expect(applied?.all).toBe(applied?.distinct)
  expect(await test.db.select().from(audit)).toEqual([])
})

test('every object belongs to the owner, also where a superuser migrates', async () => {
  await using test = await openTestDb({ template: 'template0' })
  await migrateDb(test.as('postgres'))
  const owners = await query(
    test.url,
    `select distinct relowner::regrole::text as owner from pg_class
      where relnamespace in ('public'::regnamespace, 'drizzle'::regnamespace)`,
  )
  expect(owners).toEqual([{ owner: 'muster_owner' }])
})

test('a current database is left alone, and any role may find that out', async () => {
  await using test = await openTestDb()
  const before = await query(test.url, 'select xmin::text, oid from pg_class order by oid')
  for (const role of ['muster_broker', 'muster_provisioner', 'muster_owner', 'postgres'] as const)
    await migrateDb(test.as(role))
  expect(await query(test.url, 'select xmin::text, oid from pg_class order by oid')).toEqual(before)
})

test('grants that were changed by hand come back with the next version', async () => {
  await using test = await openTestDb()
  await query(test.url, `grant select on claims to muster_broker; comment on schema drizzle is '1 earlier'`)
  await migrateDb(test.url)
  const [row] = await query(test.url, `select has_table_privilege('muster_broker', 'claims', 'select') as may`)
  expect(row).toEqual({ may: false })
})

test('a database of a newer version is left alone', async () => {
  await using test = await openTestDb()
  await query(test.url, `comment on schema drizzle is '99999999999999 later'`)
  await migrateDb(test.as('muster_provisioner'))
})

test('a login that may not migrate is told who may', async () => {
  await using test = await openTestDb({ template: 'template0' })
  await expect(migrateDb(test.as('muster_broker'))).rejects.toMatchObject({
    code: 'unavailable',
    detail: expect.stringContaining('infra/postgres/roles.sql'),
  })
})

test('a server that is not there, and a URL that is none', async () => {
  const nowhere = 'postgresql://muster_owner:s3cret@127.0.0.1:1/muster'
  for (const url of [nowhere, 'nonsense', 'mysql://x']) {
    await expect(migrateDb(url)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(openDb({ url })).rejects.toMatchObject({ code: 'unavailable' })
    await expect(openDb({ url })).rejects.not.toThrow('s3cret')
  }
})
