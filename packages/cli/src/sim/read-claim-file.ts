import { readFile } from 'node:fs/promises'
import { CliError, exitCodes } from '../exit.ts'

export async function readClaimFile(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new CliError(`${file} cannot be read (${code})`, { exitCode: exitCodes.usage, cause })
  }
}
