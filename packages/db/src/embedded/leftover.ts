import { readdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import type { Place } from './place.ts'
import { clusterName } from './server.ts'

/**
 * Stops what an owner that was killed has left running. Called with the directory's lock held, so a server
 * found here has no owner. The data directory must be free of every process before a new server starts.
 */
export async function stopLeftover(place: Place, log: (line: string) => void): Promise<void> {
  await stopProcesses(place, log)
  // Nobody uses the directory, whatever its pid file says: the number may be another process' by now, and
  // PostgreSQL would refuse to start beside it. In containers, where numbers repeat, that is common.
  await rm(path.join(place.data, 'postmaster.pid'), { force: true })
}

async function stopProcesses(place: Place, log: (line: string) => void): Promise<void> {
  let found = await findProcesses(place)
  if (found.length === 0) return
  log(`stopping the PostgreSQL that an earlier run left behind (process ${found[0]?.pid})`)
  for (const [signal, patienceMs] of [
    ['SIGINT', 10_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    // The postmaster tells its children; without one they are told directly.
    const postmasters = found.filter((process) => process.isPostmaster)
    for (const { pid } of postmasters.length ? postmasters : found) send(pid, signal)
    for (const until = Date.now() + patienceMs; Date.now() < until; await delay(20)) {
      found = await findProcesses(place)
      if (found.length === 0) return
    }
  }
  throw new MusterError(
    'unavailable',
    `process ${found[0]?.pid} still uses the database in ${place.data}; stop it first`,
  )
}

interface ServerProcess {
  pid: number
  isPostmaster: boolean
}

/** By command line: a pid file may name a process that is long another one. */
async function findProcesses(place: Place): Promise<ServerProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => identify(pid, place).catch(() => undefined)))
  return found.filter((process) => process !== undefined)
}

async function identify(pid: string, place: Place): Promise<ServerProcess | undefined> {
  const directory = path.join('/proc', pid)
  const args = (await readFile(path.join(directory, 'cmdline'), 'utf8')).split('\0')
  const isPostmaster = args[1] === '-D' && args[2] === place.data && path.basename(args[0] ?? '') === 'postgres'
  const isChild = (args[0] ?? '').startsWith(`postgres: ${clusterName(place)}: `)
  if (!isPostmaster && !isChild) return undefined
  const { uid } = await stat(directory)
  return uid === place.account.uid ? { pid: Number(pid), isPostmaster } : undefined
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended in the meantime.
  }
}
