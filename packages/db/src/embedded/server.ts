import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { open, readFile, stat, statfs, truncate } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import { spawnOptions } from './account.ts'
import type { Place } from './place.ts'

export interface ServerExit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Server extends AsyncDisposable {
  pid: number
  exited: Promise<ServerExit>
}

const startTimeoutMs = 120_000
const longestLog = 10 * 1024 * 1024

/** Put into the title of every process of the server, so that those left behind can be told from others. */
export function clusterName({ data }: Place): string {
  return `muster-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`
}

export interface ServerOptions {
  socketDirectory: string
  maxConnections: number
  /** Whether what was committed outlives the machine's own crash. */
  isDurable: boolean
}

export async function startServer(place: Place, binaries: string, options: ServerOptions): Promise<Server> {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: options.socketDirectory,
    unix_socket_permissions: '0700',
    cluster_name: clusterName(place),
    max_connections: options.maxConnections,
    shared_buffers: '64MB',
    max_wal_size: '1GB',
    fsync: options.isDurable ? 'on' : 'off',
    synchronous_commit: 'on',
    full_page_writes: options.isDurable ? 'on' : 'off',
    log_checkpoints: 'off',
    log_timezone: 'UTC',
    timezone: 'UTC',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  await using log = await openLog(path.join(place.home, 'postgres.log'))
  const child = spawn(path.join(binaries, 'postgres'), ['-D', place.data, '-p', '5432', ...flags], {
    ...spawnOptions(place.account),
    stdio: ['ignore', log.fd, log.fd],
    // A Ctrl-C in the terminal is for the owner, which stops the server last.
    detached: true,
  })
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: null, signal: null }))
  })
  try {
    await untilReady(child, place, log)
  } catch (error) {
    await stop(child, exited)
    throw error
  }
  return { pid: child.pid ?? 0, exited, [Symbol.asyncDispose]: () => stop(child, exited) }
}

interface Log extends AsyncDisposable {
  fd: number
  path: string
  /** Where this start's lines begin. */
  from: number
}

async function openLog(file: string): Promise<Log> {
  const handle = await open(file, 'a', 0o600)
  const { size } = await handle.stat()
  if (size > longestLog) await truncate(file)
  const from = size > longestLog ? 0 : size
  return { fd: handle.fd, path: file, from, [Symbol.asyncDispose]: () => handle.close() }
}

/** The server itself writes into its pid file how far it is (miscinit.c, LOCK_FILE_LINE_PM_STATUS). */
async function untilReady(child: ChildProcess, place: Place, log: Log): Promise<void> {
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  const pidFile = path.join(place.data, 'postmaster.pid')
  for (const until = Date.now() + startTimeoutMs; Date.now() < until; await delay(10)) {
    if (failure || child.exitCode !== null || child.signalCode !== null) break
    const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n')
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return
  }
  const why = failure?.message ?? (await readReason(log)) ?? (await describeDisk(place.home))
  throw new MusterError('unavailable', `PostgreSQL does not start: ${why} (see ${log.path})`)
}

async function readReason(log: Log): Promise<string | undefined> {
  const { size } = await stat(log.path)
  if (size <= log.from) return undefined
  const text = (await readFile(log.path)).subarray(log.from).toString('utf8')
  return /(?:FATAL|PANIC|ERROR): +(.*)/.exec(text)?.[1]
}

/** A full disk takes no log either. */
async function describeDisk(directory: string): Promise<string> {
  const { bavail } = await statfs(directory)
  return bavail === 0 ? 'the disk is full' : 'it did not get ready'
}

async function stop(child: ChildProcess, exited: Promise<ServerExit>): Promise<void> {
  // Fast, then immediate (which recovers at the next start), then what cannot be refused.
  for (const [signal, patienceMs] of [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    child.kill(signal)
    const stopped = new AbortController()
    const late = delay(patienceMs, 'late', { signal: stopped.signal, ref: true }).catch(() => undefined)
    await Promise.race([exited, late])
    stopped.abort()
  }
}
