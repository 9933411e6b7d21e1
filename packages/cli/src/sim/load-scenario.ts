import { basename } from 'node:path'
import { MusterError } from '@muster/contracts'
import { countDevices, type ParsedScenario, parseScenario } from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'
import { readScenarioText } from './read-scenario-text.ts'

export interface SizeOptions {
  small?: true
  devices?: number
  time?: number
  seed?: number
}

/** A file, or the name of one of the library. */
export async function loadScenario(name: string, size: SizeOptions): Promise<ParsedScenario & { devices: number }> {
  const text = await readScenarioText(name)
  try {
    const parsed = parseScenario(text, size)
    return { ...parsed, devices: countDevices(parsed.scenario) }
  } catch (error) {
    if (!(error instanceof MusterError)) throw error
    throw new CliError(`${basename(name)}: ${error.detail}`, { exitCode: exitCodes.usage, cause: error })
  }
}
