import { countDevices, listLibrary, parseScenario, planLength, readFromLibrary } from '@muster/device-sim'
import { printRows } from '../io.ts'
import { formatCount } from '../output/format.ts'
import type { Cli, GlobalOptions } from '../settings.ts'
import { formatLength } from './format-length.ts'

export async function listScenarios(cli: Cli, options: GlobalOptions): Promise<void> {
  const scenarios = await Promise.all((await listLibrary()).map(describeScenario))
  printRows(cli.io, options, scenarios, {
    scenario: ({ name }) => name,
    devices: ({ devices }) => formatCount(devices),
    'takes about': ({ ms }) => formatLength(ms),
    small: ({ small }) => `${formatCount(small.devices)} in ${formatLength(small.ms)}`,
    'what it plays': ({ title }) => title,
  })
}

async function describeScenario(name: string) {
  const text = (await readFromLibrary(name)) ?? ''
  const { scenario } = parseScenario(text)
  const { title, description } = scenario
  return {
    name,
    title,
    description,
    ...measure(scenario),
    small: measure(parseScenario(text, { small: true }).scenario),
  }
}

const measure = (scenario: Parameters<typeof countDevices>[0]) => ({
  devices: countDevices(scenario),
  ms: planLength(scenario),
})
