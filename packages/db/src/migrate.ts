import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { MusterError } from '@muster/contracts'
import pg from 'pg'
import { describeDatabaseError } from './pg-errors.ts'
import { becomeOwner } from './roles.ts'

const migrationsFolder = fileURLToPath(new URL('../drizzle/', import.meta.url))
const lockKey = 0x6d757374
const oldestServer = 150_000

/**
 * Brings the database to this version's schema and grants; returns at once where it is there already, or further.
 * Any number of processes may call this together: one works, the others wait for it.
 */
export async function migrateDb(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  // The query that is under way rejects as well; without a listener the event would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    await requireServerVersion(client)
    await migrateLocked(client)
  } catch (cause) {
    if (cause instanceof MusterError) throw cause
    throw new MusterError('unavailable', `the database cannot be migrated: ${describeDatabaseError(cause)}`, { cause })
  } finally {
    await client.end()
  }
}

async function migrateLocked(client: pg.Client): Promise<void> {
  const wanted = await loadTarget()
  if (isReached(wanted, await readReached(client))) return
  await client.query('select pg_advisory_lock($1)', [lockKey])
  if (isReached(wanted, await readReached(client))) return
  await becomeOwner(client)
  // Half a second to load, which a start that finds everything in place need not pay.
  const { drizzle } = await import('drizzle-orm/node-postgres')
  const { migrate } = await import('drizzle-orm/node-postgres/migrator')
  await migrate(drizzle(client), { migrationsFolder })
  await client.query('begin')
  await client.query(wanted.grants)
  await client.query(`comment on schema drizzle is '${wanted.version} ${wanted.hash}'`)
  await client.query('commit')
}

/** What a database of this version says of itself in the comment of the schema `drizzle`: anybody can read it. */
interface Target {
  version: number
  hash: string
  grants: string
}

async function loadTarget(): Promise<Target> {
  const journal = await readFile(`${migrationsFolder}meta/_journal.json`, 'utf8')
  const grants = await readFile(new URL('grants.sql', import.meta.url), 'utf8')
  const { entries } = JSON.parse(journal) as { entries: { when: number }[] }
  const hash = createHash('sha256').update(journal).update(grants).digest('hex')
  return { version: entries.at(-1)?.when ?? 0, hash, grants }
}

async function readReached(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ comment: string | null }>(
    `select obj_description(oid, 'pg_namespace') as comment from pg_namespace where nspname = 'drizzle'`,
  )
  return rows[0]?.comment ?? ''
}

/** A database that is further on belongs to a newer release that is being rolled out beside this one. */
function isReached(wanted: Target, reached: string): boolean {
  const [version, hash] = reached.split(' ')
  return Number(version) > wanted.version || hash === wanted.hash
}

async function requireServerVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  )
  if ((rows[0]?.version ?? 0) < oldestServer) throw new MusterError('unavailable', 'PostgreSQL 15 or newer is needed')
}
