import { createHash } from 'node:crypto'
import { chown, lstat, mkdir, rm, rmdir } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { MusterError } from '@muster/contracts'
import { type Account, canEnter } from './account.ts'
import type { Place } from './place.ts'

// sockaddr_un.sun_path is 108 bytes with its terminator.
const longestPath = 107

export interface SocketDirectory extends AsyncDisposable {
  path: string
}

/**
 * A directory of mode 0700 for the socket: in the cluster's home, or, where that path is too long for a socket,
 * in the system's temporary directory under a name that stays the same, so that URLs survive a restart.
 */
export async function openSocketDirectory({ home, account }: Place): Promise<SocketDirectory> {
  const inside = path.join(home, 'run')
  if (fits(inside)) return open(inside, account)
  const name = `muster-${createHash('sha256').update(home).digest('hex').slice(0, 16)}`
  for (const parent of [os.tmpdir(), '/tmp']) {
    const outside = path.join(parent, name)
    if (fits(outside) && (await canEnter(account, parent))) return open(outside, account)
  }
  throw new MusterError('unavailable', `the path ${home} is too long for a socket`)
}

const fits = (directory: string) => Buffer.byteLength(path.join(directory, '.s.PGSQL.5432')) <= longestPath

async function open(directory: string, { uid, gid }: Account): Promise<SocketDirectory> {
  try {
    await mkdir(directory, { mode: 0o700 })
    await chown(directory, uid, gid)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const found = await lstat(directory)
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0)
    throw new MusterError('unavailable', `${directory} is not a private directory of uid ${uid}; remove it`)
  // Left by a server that was killed; its process id may be another's by now.
  for (const name of ['.s.PGSQL.5432', '.s.PGSQL.5432.lock']) await rm(path.join(directory, name), { force: true })
  // The server removes its socket; a directory that is not empty is left for the next start.
  return { path: directory, [Symbol.asyncDispose]: () => rmdir(directory).catch(() => {}) }
}
