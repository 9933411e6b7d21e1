import path from 'node:path'
import { MusterError } from '@muster/contracts'
import pg from 'pg'
import { type DbRole, dbRoles } from '../roles.ts'
import { locateBinaries, openBinaries } from './binaries.ts'
import { guardServer } from './guard.ts'
import { initialiseCluster } from './initialise.ts'
import { stopLeftover } from './leftover.ts'
import { openPlace } from './place.ts'
import { type ServerExit, startServer } from './server.ts'
import { openSocketDirectory } from './socket.ts'

export interface EmbeddedPostgresOptions {
  /** Of the cluster alone (`<data>/pg`); made where it is missing. */
  directory: string
  log?: ((line: string) => void) | undefined
  /** Where root keeps what PostgreSQL's account cannot reach in `directory`. */
  shared?: string | undefined
  maxConnections?: number | undefined
  /** Default: yes. No, for what is thrown away: nothing waits for the disk, and a crash of the machine may lose it all. */
  isDurable?: boolean | undefined
}

export interface EmbeddedPostgres extends AsyncDisposable {
  /** Logs in as the role itself; `postgres` is the superuser. Stays the same over restarts. */
  url(role?: DbRole | 'postgres', database?: string): string
  pid: number
  /** Settles when the server has ended, on demand or not. To start it again, dispose of this one and open anew. */
  exited: Promise<ServerExit>
}

/**
 * A PostgreSQL of our own, on a unix socket in a private directory and nowhere else. One owner at a time: a second
 * one gets `conflict`; what a killed owner has left running is stopped first.
 */
export async function openEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (process.platform !== 'linux')
    throw new MusterError('unavailable', 'the embedded PostgreSQL needs Linux; set MUSTER_DATABASE_URL')
  try {
    return await open(options)
  } catch (cause) {
    if (cause instanceof MusterError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MusterError('unavailable', `the database in ${options.directory} cannot be opened: ${reason}`, { cause })
  }
}

async function open(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { directory, log = () => {}, shared = '/var/lib/muster', maxConnections = 100, isDurable = true } = options
  await using opened = new AsyncDisposableStack()
  const place = opened.use(await openPlace(path.resolve(directory), shared, log))
  const binaries = await openBinaries(place.account, locateBinaries(), shared, log)
  await stopLeftover(place, log)
  await initialiseCluster(place, binaries)
  const socket = opened.use(await openSocketDirectory(place))
  const settings = { socketDirectory: socket.path, maxConnections, isDurable }
  const server = opened.use(await startServer(place, binaries, settings))
  opened.use(guardServer(server, place.account))
  const url = (role: string = 'muster_owner', database = 'muster') =>
    `postgresql://${role}@localhost:5432/${database}?host=${encodeURIComponent(socket.path)}&sslmode=disable`
  await ensureDatabase(url('postgres', 'postgres'))
  const held = opened.move()
  return { url, pid: server.pid, exited: server.exited, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/** Logins named like the roles, so that a process cannot step out of its own. */
async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ name: string }>(
      'select rolname as name from pg_roles union all select datname from pg_database',
    )
    const names = rows.map(({ name }) => name)
    for (const role of dbRoles) if (!names.includes(role)) await client.query(`create role ${role} login`)
    if (!names.includes('muster')) await client.query('create database muster owner muster_owner')
  } finally {
    await client.end()
  }
}
