import type { Command } from 'commander'
import { notify } from '../io.ts'
import { parseCount } from '../options.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { attachPolicy } from './attach.ts'
import { checkPolicy } from './check.ts'
import { previewChange } from './diff.ts'
import { policyPath } from './path.ts'
import { savePolicy } from './save.ts'
import { listPolicies, listVersions, showPolicy } from './show.ts'

const wait = ['--wait', 'until every broker has answered with a receipt'] as const

export function addPolicyCommands(program: Command, cli: Cli): void {
  const policies = program.command('policies').description('what devices may publish and subscribe')
  policies
    .command('list')
    .description('policies of the fleet')
    .action((_, command: Command) => listPolicies(cli, command.optsWithGlobals()))
  policies
    .command('show <name>')
    .description('the document, and where it is attached')
    .option('--version <n>', 'an earlier one', parseCount)
    .action((name: string, _, command: Command) => showPolicy(cli, command.optsWithGlobals(), name))
  policies
    .command('versions <name>')
    .description('every version that was ever saved, by whom and when')
    .action((name: string, _, command: Command) => listVersions(cli, command.optsWithGlobals(), name))
  policies
    .command('save <file>')
    .description('a new version, from YAML or JSON; it reaches live sessions at once')
    .option('--expect <n>', 'only where this version is in force', parseCount)
    .option(...wait)
    .action((file: string, _, command: Command) => savePolicy(cli, command.optsWithGlobals(), file))
  policies
    .command('delete <name>')
    .description('refused while it is attached')
    .action((name: string, _, command: Command) => deletePolicy(cli, command.optsWithGlobals(), name))
  addUseCommands(policies, cli)
}

function addUseCommands(policies: Command, cli: Cli): void {
  const places = (command: Command) =>
    command
      .option('--group <name>', 'a group')
      .option('--device <id>', 'one device')
      .option('--claim <id>', 'devices that enrol with this claim from now on')
      .option(...wait)
  places(policies.command('attach <name>'))
    .description('to the fleet, or to what is named; the most specific one is in force')
    .action((name: string, _, command: Command) => attachPolicy(cli, command.optsWithGlobals(), name))
  places(policies.command('detach'))
    .description('what is attached to the fleet, or to what is named')
    .action((_, command: Command) => attachPolicy(cli, command.optsWithGlobals(), null))
  policies
    .command('check')
    .description('whether a device may, and the rule that decides')
    .requiredOption('--device <id>', 'the device')
    .option('--publish <topic>', 'publish to this topic')
    .option('--subscribe <filter>', 'subscribe to this filter')
    .option('--qos <n>', 'of the message', (text) => Number(text))
    .option('--retain', 'a retained message')
    .option('--bytes <n>', 'of its payload', parseCount)
    .action((_, command: Command) => checkPolicy(cli, command.optsWithGlobals()))
  policies
    .command('diff [file]')
    .description('what live sessions would lose by a change; nothing is changed')
    .option('--attach <policy>', 'if it were attached to the fleet, or to --group or --device')
    .option('--detach', 'if what is attached there were taken off')
    .option('--move <id>', 'if the device were in --group')
    .option('--group <name>', 'the group')
    .option('--device <id>', 'the device')
    .option('--verbose', 'which devices, and which filters')
    .action((file: string | undefined, _, command: Command) => previewChange(cli, command.optsWithGlobals(), file))
}

async function deletePolicy(cli: Cli, options: GlobalOptions, name: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  await api.remove(policyPath(name), { fleet: findFleet(cli, options) })
  notify(cli.io, `policy ${name} is deleted; its versions stay on record`)
}
