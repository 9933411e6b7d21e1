import { accessSync, chmodSync, constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { CliError } from '../exit.ts'

/**
 * Makes sure that the directory is there, closed to others, and can be written to. Root's may be passed through, not
 * listed: PostgreSQL runs under another account there, and what is secret has its own mode.
 */
export function openDataDirectory(directory: string): void {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700
  try {
    mkdirSync(dirname(directory), { recursive: true })
    if (!existsSync(directory)) mkdirSync(directory, { mode })
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    const found = statSync(directory)
    if (found.uid === process.getuid?.() && (found.mode & 0o777) !== mode) chmodSync(directory, mode)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const advice = 'make it writable for this user, or name another with --data or MUSTER_DATA'
    throw new CliError(`the data directory ${directory} cannot be used (${code}): ${advice}`, { cause })
  }
}
