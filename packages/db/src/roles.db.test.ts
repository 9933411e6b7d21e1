import { chmod, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedPostgres, openEmbeddedPostgres } from './embedded/open.ts'
import { migrateDb } from './migrate.ts'
import { openDb } from './open.ts'

// Roles belong to a whole server: this one is made to look like a managed PostgreSQL that has never seen Muster.
let root: string
let server: EmbeddedPostgres

const url = (login: string, database: string) =>
  server.url('postgres', database).replace('postgres@', `${encodeURIComponent(login)}@`)

async function asSuperuser(...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url('postgres', 'postgres') })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'muster-roles-'))
  if (process.getuid?.() === 0) await chmod(root, 0o711)
  server = await openEmbeddedPostgres({ directory: path.join(root, 'pg'), shared: path.join(root, 'shared') })
  await asSuperuser(
    'drop database muster',
    'drop role muster_owner, muster_provisioner, muster_broker',
    'create role admin login createrole createdb',
    'create role tenant login',
  )
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

test('a login that may not create roles is told what is missing', async () => {
  await asSuperuser('create database refused owner tenant')
  await expect(migrateDb(url('tenant', 'refused'))).rejects.toMatchObject({
    code: 'unavailable',
    detail: expect.stringContaining('role muster_owner is missing'),
  })
})

test('two databases are migrated at once, and both make the roles', async () => {
  await asSuperuser('create database one', 'create database two')
  await Promise.all(['one', 'two', 'one', 'two'].map((name) => migrateDb(url('postgres', name))))
})

test('a database owner who is no superuser but may create roles migrates, and opens any role', async () => {
  await asSuperuser(
    'drop database one',
    'drop database two',
    'drop role muster_owner, muster_provisioner, muster_broker',
    'create database "managed one" owner admin',
  )
  const login = url('admin', 'managed%20one')
  await Promise.all([migrateDb(login), migrateDb(login)])
  await using owner = await openDb({ url: login, role: 'muster_owner' })
  await using _provisioner = await openDb({ url: login, role: 'muster_provisioner' })
  await using _broker = await openDb({ url: login, role: 'muster_broker' })
  const { rows } = await owner.execute(
    "select count(*)::int as tables from pg_tables where tableowner = 'muster_owner'",
  )
  expect(rows).toMatchObject([{ tables: expect.any(Number) }])
})

test('roles that exist are enough for a login that is a member of the owner', async () => {
  await asSuperuser('create database later owner tenant', 'grant muster_owner to tenant')
  await migrateDb(url('tenant', 'later'))
})

test('a member of the owner who does not own the database is told, unless it was prepared', async () => {
  await asSuperuser('create database foreign_one')
  const login = url('tenant', 'foreign_one')
  await expect(migrateDb(login)).rejects.toMatchObject({
    code: 'unavailable',
    detail: expect.stringContaining('muster_owner may not create tables'),
  })
  await asSuperuser('alter database foreign_one owner to muster_owner')
  await migrateDb(login)
})
