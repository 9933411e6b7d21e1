import { Group } from '@muster/contracts'
import type { Command } from 'commander'
import { notify, print, printRows } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'

export function addGroupCommands(program: Command, cli: Cli): void {
  const groups = program.command('groups').description('groups of devices; one is there by being used')
  groups
    .command('list')
    .description('groups of the fleet, and how many devices they have')
    .action((_, command: Command) => listGroups(cli, command.optsWithGlobals()))
  groups
    .command('create <name>')
    .description('make a group before it has devices')
    .option('--policy <name>', 'the policy of its devices')
    .action((name: string, _, command: Command) => createGroup(cli, command.optsWithGlobals(), name))
}

async function listGroups(cli: Cli, options: GlobalOptions): Promise<void> {
  using api = await openOperatorApi(cli, options)
  printRows(cli.io, options, await api.list('/v1/groups', Group, { fleet: findFleet(cli, options) }), {
    name: (group) => group.name,
    policy: (group) => group.policy ?? '',
    devices: (group) => String(group.devices),
    connected: (group) => String(group.connected),
  })
}

async function createGroup(cli: Cli, options: GlobalOptions & { policy?: string }, name: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const body = { name, policy: options.policy ?? null }
  const group = await api.post('/v1/groups', body, Group, { fleet: findFleet(cli, options) })
  if (options.json) print(cli.io, JSON.stringify(group, null, 2))
  else notify(cli.io, `group ${group.name} is there`)
}
