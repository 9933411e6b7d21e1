import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, lstat, mkdir, realpath, rmdir, stat, symlink } from 'node:fs/promises'
import path from 'node:path'
import { MusterError } from '@muster/contracts'
import { type Account, canEnter, chooseAccount, isRoot } from './account.ts'
import { lockDirectory } from './lock.ts'
import { openSharedDirectory } from './shared-directory.ts'

export interface Place extends AsyncDisposable {
  /** Holds `data/` (the cluster), `run/` (the socket) and `postgres.log`. */
  home: string
  data: string
  account: Account
}

/**
 * The directory of the cluster, held for this process. Where root started us below a directory that PostgreSQL's
 * account cannot pass (a home of mode 0700), the cluster lives under `shared` and `directory` is a link to it.
 */
export async function openPlace(directory: string, shared: string, log: (line: string) => void): Promise<Place> {
  await makeDirectory(directory)
  await using locks = new AsyncDisposableStack()
  locks.use(await lockDirectory(directory))
  const home = await realpath(directory)
  const account = await chooseAccount(path.join(home, 'data'))
  if (await canEnter(account, home)) return hold(home, account, locks)
  if (!isRoot()) throw refuse(directory, 'it cannot be entered')
  const moved = await relocate(directory, home, shared, account, log)
  locks.use(await lockDirectory(moved))
  await symlink(moved, directory)
  return hold(moved, account, locks)
}

function hold(home: string, account: Account, locks: AsyncDisposableStack): Place {
  const held = locks.move()
  return { home, data: path.join(home, 'data'), account, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true })
    // Root keeps the directory and lets the account through to `data/`; any other user keeps it to itself.
    const { uid } = await stat(directory)
    if (uid === process.getuid?.()) await chmod(directory, isRoot() ? 0o711 : 0o700)
    await access(directory, constants.W_OK | constants.X_OK)
  } catch (cause) {
    const link = await lstat(directory).catch(() => undefined)
    const why = link?.isSymbolicLink() ? 'it is a link to a directory that is gone' : (cause as Error).message
    throw refuse(directory, why, cause)
  }
}

async function relocate(
  directory: string,
  home: string,
  shared: string,
  account: Account,
  log: (line: string) => void,
): Promise<string> {
  const moved = path.join(await openSharedDirectory(shared), randomBytes(6).toString('hex'))
  await mkdir(moved, { mode: 0o711 })
  try {
    await chmod(moved, 0o711)
    if (!(await canEnter(account, moved))) throw new Error(`uid ${account.uid} cannot enter ${moved} either`)
    // Fails where there is something: a cluster that cannot be reached any more is not to be hidden by a new one.
    await rmdir(home)
  } catch (cause) {
    await rmdir(moved)
    throw refuse(directory, `uid ${account.uid} cannot enter it; ${(cause as Error).message}`, cause)
  }
  log(`${directory} cannot be reached by PostgreSQL's account (uid ${account.uid}): the database is kept in ${moved}`)
  return moved
}

function refuse(directory: string, why: string, cause?: unknown): MusterError {
  return new MusterError('unavailable', `the database cannot be kept in ${directory}: ${why}`, { cause })
}
