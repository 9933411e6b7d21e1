import { Fleet } from '@muster/contracts'
import { type Command, InvalidArgumentError } from 'commander'
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
    .requiredOption('--late-renewal-days <n>', 'for how long an expired certificate may still renew; 0: not', parseDays)
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
    created: (fleet) => formatInstant(fleet.createdAt),
  })
}

async function createFleet(cli: Cli, options: GlobalOptions, name: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const fleet = await api.post('/v1/fleets', { name }, Fleet)
  if (options.json) printFields(cli.io, options, fleet, {})
  else notify(cli.io, `fleet ${fleet.name} is there`)
}

async function setFleet(cli: Cli, options: GlobalOptions & { lateRenewalDays?: number }, name: string): Promise<void> {
  const { lateRenewalDays } = options
  using api = await openOperatorApi(cli, options)
  const fleet = await api.patch(`/v1/fleets/${encodeURIComponent(name)}`, { lateRenewalDays }, Fleet)
  if (options.json) return printFields(cli.io, options, fleet, {})
  notify(cli.io, `an expired certificate of ${fleet.name} may renew for ${fleet.lateRenewalDays} days`)
}
