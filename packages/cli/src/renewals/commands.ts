import { PulledRenewal } from '@muster/contracts'
import type { Command } from 'commander'
import { CliError, exitCodes } from '../exit.ts'
import { notify, printFields, printRows } from '../io.ts'
import { parseDuration } from '../options.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, type GlobalOptions, openOperatorApi } from '../settings.ts'

interface PullOptions extends GlobalOptions {
  group?: string
  device?: string
  issuer?: string
  all?: boolean
  within: number
}

export function addRenewalCommands(program: Command, cli: Cli): void {
  const renewals = program.command('renewals').description('when devices renew their certificates')
  renewals
    .command('pull')
    .description('have certificates renewed now; all that is named must match')
    .option('--device <id>', 'of this device')
    .option('--group <name>', 'of this group')
    .option('--issuer <name>', 'that this issuing CA has issued')
    .option('--all', 'of every device of every fleet')
    .option('--within <duration>', 'spread over this time from now, like 1h', parseDuration, 3_600)
    .action((_, command: Command) => pullRenewal(cli, command.optsWithGlobals()))
  renewals
    .command('list')
    .description('windows that were pulled forward, the newest first')
    .action((_, command: Command) => listWindows(cli, command.optsWithGlobals()))
  renewals
    .command('remove <id>')
    .description('take a window back; who has renewed has renewed')
    .action((id: string, _, command: Command) => removeWindow(cli, command.optsWithGlobals(), id))
}

async function pullRenewal(cli: Cli, options: PullOptions): Promise<void> {
  const { fleet, group, device, issuer, all, within } = options
  if (!(all || fleet || group || device || issuer))
    throw new CliError('name a device, a group, an issuer or a fleet, or say --all', { exitCode: exitCodes.usage })
  // A group or a device is one of a fleet, an issuer's certificates are anywhere.
  const scope = fleet ?? (group || device ? cli.config.fleet : undefined)
  const now = cli.io.now().getTime()
  const end = new Date(now + within * 1_000).toISOString()
  using api = await openOperatorApi(cli, options)
  const named = all ? {} : { fleet: scope, group, device, issuer }
  const window = await api.post('/v1/renewal-windows', { ...named, end }, PulledRenewal)
  if (options.json) printFields(cli.io, options, window, {})
  else notify(cli.io, `${describe(window)} renews until ${formatInstant(window.end)} (window ${window.id})`)
}

const describe = ({ fleet, group, device, issuer }: PulledRenewal): string =>
  Object.entries({ fleet, group, device, issuer })
    .flatMap(([kind, name]) => (name === null ? [] : [`${kind} ${name}`]))
    .join(', ') || 'every device'

async function listWindows(cli: Cli, options: GlobalOptions): Promise<void> {
  using api = await openOperatorApi(cli, options)
  printRows(cli.io, options, await api.list('/v1/renewal-windows', PulledRenewal), {
    id: (window) => window.id,
    whose: describe,
    start: (window) => formatInstant(window.start),
    end: (window) => formatInstant(window.end),
    pulled: (window) => formatInstant(window.createdAt),
  })
}

async function removeWindow(cli: Cli, options: GlobalOptions, id: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  await api.remove(`/v1/renewal-windows/${encodeURIComponent(id)}`)
  notify(cli.io, `window ${id} is removed`)
}
