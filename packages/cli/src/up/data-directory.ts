import { accessSync, chmodSync, constants, mkdirSync, statSync } from 'node:fs'
import { CliError } from '../exit.ts'

/** Makes sure that the directory is there, ours alone, and can be written to. */
export function openDataDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    const { uid, mode } = statSync(directory)
    if (uid === process.getuid?.() && (mode & 0o077) !== 0) chmodSync(directory, 0o700)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new CliError(`the data directory ${directory} cannot be used (${code})`, {
      hint: 'make it writable for this user, or name another with --data or MUSTER_DATA',
      cause,
    })
  }
}
