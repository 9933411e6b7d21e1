import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { type Db, openDb } from './open.ts'
import type { DbRole } from './roles.ts'
import type {} from './testing-setup.ts'

export * from './testing-gate.ts'

export interface TestDb extends AsyncDisposable {
  db: Db
  /** As the owner: may do everything in this database. */
  url: string
  /** For a process or a second pool; `postgres` is the superuser. */
  as(role: DbRole | 'postgres'): string
}

export interface TestDbOptions {
  /** The role of `db`. */
  role?: DbRole
  /** A copy of the migrated template, or an empty database. */
  template?: 'muster' | 'template0'
}

/** A database of its own; dropped at the end. */
export async function openTestDb(options: TestDbOptions = {}): Promise<TestDb> {
  const { role = 'muster_owner', template = 'muster' } = options
  const name = `test_${randomBytes(6).toString('hex')}`
  await asSuperuser(`create database ${name} owner muster_owner template ${template}`)
  const as = (login: DbRole | 'postgres') => clusterUrl(login, name)
  const db = await openDb({ url: as(role), role })
  const close = async () => {
    await db.$client.end()
    await asSuperuser(`drop database ${name} with (force)`)
  }
  return { db, url: as('muster_owner'), as, [Symbol.asyncDispose]: close }
}

function clusterUrl(role: string, database: string): string {
  return inject('testCluster').replace('{role}', role).replace('{database}', database)
}

async function asSuperuser(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: clusterUrl('postgres', 'postgres') })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
