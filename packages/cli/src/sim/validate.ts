import { printable } from '@muster/contracts'
import { countDevices, planLength, planTurns, readScenario, type Scenario } from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'
import { print, printRows } from '../io.ts'
import { formatCount } from '../output/format.ts'
import type { Cli, GlobalOptions } from '../settings.ts'
import { formatLength } from './format-length.ts'
import type { SizeOptions } from './load-scenario.ts'
import { readScenarioText } from './read-scenario-text.ts'

/** @throws CliError where it is not valid, so that scripts can tell */
export async function validateScenario(cli: Cli, options: GlobalOptions & SizeOptions, file: string): Promise<void> {
  const read = readScenario(await readScenarioText(file), options)
  if ('problems' in read) {
    const { problems } = read
    if (options.json) print(cli.io, JSON.stringify({ valid: false, problems }, null, 2))
    else
      for (const { line, column, path, message, hint } of problems)
        for (const said of [
          `${file}:${line}:${column} ${path} ${message}`,
          ...(hint === undefined ? [] : [`    ${hint}`]),
        ])
          print(cli.io, printable(said))
    throw new CliError(`${file} is not a scenario`, { exitCode: exitCodes.usage })
  }
  const { scenario } = read
  const phases = scenario.phases.map((phase, index) => ({ do: phase.do, devices: countTaken(scenario, index) }))
  const summary = {
    name: scenario.name,
    title: scenario.title,
    devices: countDevices(scenario),
    ms: planLength(scenario),
  }
  if (options.json) return print(cli.io, JSON.stringify({ valid: true, ...summary, phases }, null, 2))
  const { name, title, devices, ms } = summary
  print(
    cli.io,
    `${printable(`${name} is valid: ${title}`)}\n${formatCount(devices)} devices, about ${formatLength(ms)}\n`,
  )
  printRows(cli.io, options, phases, {
    phase: (phase) => phase.do,
    devices: (phase) => formatCount(phase.devices),
  })
}

const countTaken = (scenario: Scenario, phase: number) =>
  new Set(planTurns(scenario, phase).map(({ index }) => index)).size
