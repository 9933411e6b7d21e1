import { MusterError } from '@muster/contracts'
import type { ExtractTablesWithRelations } from 'drizzle-orm'
import { drizzle, type NodePgDatabase, type NodePgQueryResultHKT } from 'drizzle-orm/node-postgres'
import type { PgTransaction } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { describeDatabaseError, isDatabaseUnavailable, isInsufficientPrivilege } from './pg-errors.ts'
import type { DbRole } from './roles.ts'
import * as schema from './schema/index.ts'

export type Schema = typeof schema
export type Db = NodePgDatabase<Schema> & { $client: pg.Pool }
/** Inside `db.transaction(…)`. What belongs to a state change, its audit entry first of all, asks for this. */
export type Tx = PgTransaction<NodePgQueryResultHKT, Schema, ExtractTablesWithRelations<Schema>>

export interface OpenDbOptions {
  url: string
  /** The role every connection takes on; the login must be that role or a member of it. */
  role?: DbRole | undefined
  max?: number | undefined
  /** The longest a statement, or making a connection, may take: after that the connection is given up. */
  patienceMs?: number | undefined
  /** Opens although the database cannot be reached now. */
  mayBeAway?: boolean | undefined
  /** Told when an idle connection breaks; the pool replaces it by itself. */
  onError?: ((error: Error) => void) | undefined
}

export const casing = 'snake_case'

const sessionSettings = {
  statement_timeout: '30s',
  lock_timeout: '10s',
  // A process that was stopped half-way must not hold its locks for ever.
  idle_in_transaction_session_timeout: '60s',
  // Compiling pays for reports only.
  jit: 'off',
}

// The server gives up before we do, so that what it was asked is over when we ask again.
const graceMs = 1_000

export async function openDb(options: OpenDbOptions): Promise<Db & AsyncDisposable> {
  const { url, role, max = 10, patienceMs, mayBeAway = false, onError } = options
  const limited = patienceMs ? { ...sessionSettings, statement_timeout: `${patienceMs}ms` } : sessionSettings
  const pool = new pg.Pool({
    connectionString: withSettings(url, role ? { ...limited, role } : limited),
    max,
    connectionTimeoutMillis: Math.min(10_000, patienceMs ?? 10_000),
    ...(patienceMs && { query_timeout: patienceMs + graceMs }),
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    // What is sent without waiting for the answer before it goes out at once (`transact`). Not where a statement is given up
    // after a while: the connection would go with it.
    pipeline: patienceMs === undefined,
    application_name: role ?? 'muster',
  })
  // Without listeners a connection that breaks while idle, or in a transaction between two queries, ends the process.
  pool.on('error', (error) => onError?.(error))
  pool.on('connect', (client) => client.on('error', () => {}))
  try {
    await pool.query('select 1')
  } catch (cause) {
    if (!mayBeAway || !isDatabaseUnavailable(cause)) {
      await pool.end()
      throw describeOpenFailure(cause, role)
    }
  }
  const db = drizzle(pool, { casing, schema })
  return Object.assign(db, { [Symbol.asyncDispose]: () => pool.end() })
}

function describeOpenFailure(cause: unknown, role: DbRole | undefined): MusterError {
  if (role && isInsufficientPrivilege(cause))
    return new MusterError('unavailable', `the database login is not a member of the role ${role}`, { cause })
  return new MusterError('unavailable', `the database cannot be opened: ${describeDatabaseError(cause)}`, { cause })
}

/** Settings travel in the URL, because `pg` lets the URL's own `options` replace those given beside it. */
function withSettings(url: string, settings: Record<string, string>): string {
  const target = parseUrl(url)
  const given = target.searchParams.get('options')
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  target.searchParams.set('options', [...ours, ...(given ? [given] : [])].join(' '))
  return target.href
}

function parseUrl(url: string): URL {
  const target = URL.parse(url)
  if (!target || !/^postgres(ql)?:$/.test(target.protocol))
    throw new MusterError(
      'unavailable',
      'the database URL must look like postgresql://user:password@host:5432/database',
    )
  return target
}
