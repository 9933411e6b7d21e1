import { lstat, mkdir } from 'node:fs/promises'
import { MusterError } from '@muster/contracts'

/** A directory of root's that every account can pass through and none but root can change. */
export async function openSharedDirectory(directory: string): Promise<string> {
  const problem = await prepare(directory).catch((error: Error) => error.message)
  if (problem)
    throw new MusterError(
      'unavailable',
      `PostgreSQL cannot run as root, and ${directory} cannot hold it for another account: ${problem}; start Muster as another user or set MUSTER_DATABASE_URL`,
    )
  return directory
}

async function prepare(directory: string): Promise<string | undefined> {
  // The umask may take away what `mode` gives.
  const umask = process.umask(0o022)
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 })
  } finally {
    process.umask(umask)
  }
  const { uid, mode } = await lstat(directory)
  return uid === 0 && (mode & 0o022) === 0 ? undefined : 'it belongs to somebody else'
}
