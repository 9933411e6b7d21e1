import { Policy } from '@muster/contracts'
import type { Command } from 'commander'
import { print, printRows } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'

export function addPolicyCommands(program: Command, cli: Cli): void {
  const policies = program.command('policies').description('what devices may publish and subscribe')
  policies
    .command('list')
    .description('policies of the fleet')
    .action((_, command: Command) => listPolicies(cli, command.optsWithGlobals()))
  policies
    .command('show <name>')
    .description('the whole document')
    .action((name: string, _, command: Command) => showPolicy(cli, command.optsWithGlobals(), name))
}

async function listPolicies(cli: Cli, options: GlobalOptions): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const policies = await api.list('/v1/policies', Policy, { fleet: findFleet(cli, options) })
  const filters = (policy: Policy, kind: 'publish' | 'subscribe') =>
    policy.allow.reduce((count, rule) => count + (kind in rule ? Object(rule)[kind].length : 0), 0)
  printRows(cli.io, options, policies, {
    name: (policy) => policy.name,
    'may publish': (policy) => `${filters(policy, 'publish')} filters`,
    'may subscribe': (policy) => `${filters(policy, 'subscribe')} filters`,
    subscriptions: (policy) => `${policy.limits.subscriptions} at most`,
  })
}

async function showPolicy(cli: Cli, options: GlobalOptions, name: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const path = `/v1/policies/${encodeURIComponent(name)}`
  print(cli.io, JSON.stringify(await api.get(path, Policy, { fleet: findFleet(cli, options) }), null, 2))
}
