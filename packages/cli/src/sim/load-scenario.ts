import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { MusterError } from '@muster/contracts'
import { countDevices, type ParsedScenario, parseScenario } from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'

export interface SizeOptions {
  small?: true
  devices?: number
  time?: number
}

/** A file, or the name of one of the library. */
export async function loadScenario(name: string, size: SizeOptions): Promise<ParsedScenario & { devices: number }> {
  const text = await readFile(name, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(`${name} cannot be read (${cause.code})`, { exitCode: exitCodes.usage, cause })
  })
  const { small = false, devices, time } = size
  try {
    const parsed = parseScenario(text, { small, ...(devices && { devices }), ...(time && { time }) })
    return { ...parsed, devices: countDevices(parsed.scenario) }
  } catch (error) {
    if (!(error instanceof MusterError)) throw error
    throw new CliError(`${basename(name)}: ${error.detail}`, { exitCode: exitCodes.usage, cause: error })
  }
}
