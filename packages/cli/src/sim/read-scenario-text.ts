import { readFile } from 'node:fs/promises'
import { listLibrary, readFromLibrary } from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'

/** Of a file, or of the library where the name is one of its own. */
export async function readScenarioText(scenario: string): Promise<string> {
  const ready = await readFromLibrary(scenario)
  if (ready !== undefined) return ready
  return readFile(scenario, 'utf8').catch(async (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT')
      throw new CliError(`${scenario} cannot be read (${cause.code})`, { exitCode: exitCodes.usage, cause })
    const hint = `the library has ${(await listLibrary()).join(', ')}`
    throw new CliError(`there is neither a file nor a scenario ${scenario}`, { exitCode: exitCodes.usage, cause, hint })
  })
}
