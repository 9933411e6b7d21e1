import { cloneActions, Fleet, type UpdateFleetRequest } from '@muster/contracts'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { CliError, exitCodes } from '../exit.ts'
import { notify, printFields, printRows } from '../io.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, type GlobalOptions, openOperatorApi } from '../settings.ts'

export function addFleetCommands(program: Command, cli: Cli): void {
  const fleets = program.command('fleets').description('the isolation boundaries, and their settings')
  fleets
    .command('list')
    .description('all fleets')
    .action((_, command: Command) => listFleets(cli, command.optsWithGlobals()))
  fleets
    .command('create <name>')
    .description('make a fleet')
    .action((name: string, _, command: Command) => createFleet(cli, command.optsWithGlobals(), name))
  fleets
    .command('set <name>')
    .description('change the settings of a fleet')
    .option('--late-renewal-days <n>', 'for how long an expired certificate may still renew; 0: not', parseDays)
    .addOption(new Option('--on-clone <action>', 'where a certificate is in use in two places').choices(cloneActions))
    .action((name: string, _, command: Command) => setFleet(cli, command.optsWithGlobals(), name))
}

function parseDays(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('A whole number of days is expected.')
}

async function listFleets(cli: Cli, options: GlobalOptions): Promise<void> {
  using api = await openOperatorApi(cli, options)
  printRows(cli.io, options, await api.list('/v1/fleets', Fleet), {
    name: (fleet) => fleet.name,
    'late renewal': (fleet) => (fleet.lateRenewalDays === 0 ? 'no' : `${fleet.lateRenewalDays} days`),
    'on clone': (fleet) => fleet.onClone,
    created: (fleet) => formatInstant(fleet.createdAt),
  })
}

async function createFleet(cli: Cli, options: GlobalOptions, name: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const fleet = await api.post('/v1/fleets', { name }, Fleet)
  if (options.json) printFields(cli.io, options, fleet, {})
  else notify(cli.io, `fleet ${fleet.name} is there`)
}

async function setFleet(cli: Cli, options: GlobalOptions & UpdateFleetRequest, name: string): Promise<void> {
  const { lateRenewalDays, onClone } = options
  if (lateRenewalDays === undefined && onClone === undefined)
    throw new CliError('nothing to set: name --late-renewal-days or --on-clone', { exitCode: exitCodes.usage })
  using api = await openOperatorApi(cli, options)
  const fleet = await api.patch(`/v1/fleets/${encodeURIComponent(name)}`, { lateRenewalDays, onClone }, Fleet)
  if (options.json) return printFields(cli.io, options, fleet, {})
  const clones = `a certificate in use in two places: ${fleet.onClone}`
  notify(cli.io, `${fleet.name}: an expired certificate may renew for ${fleet.lateRenewalDays} days; ${clones}`)
}
