import { errorCodes, Refusal } from '@muster/contracts'
import { type Command, Option } from 'commander'
import { printRows } from '../io.ts'
import { parseCount } from '../options.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, type GlobalOptions, openOperatorApi } from '../settings.ts'

interface ListOptions extends GlobalOptions {
  device?: string
  code?: string
  address?: string
  since?: string
  alert?: boolean
  limit: number
}

export function addRefusalCommands(program: Command, cli: Cli): void {
  program
    .command('refusals')
    .description('who was refused, strangers among them')
    .command('list')
    .description('alerts first, then the newest; of all fleets unless --fleet names one')
    .option('--device <id>', 'only of this device, or of who claims to be it')
    .addOption(new Option('--code <code>', 'only with this code').choices(errorCodes))
    .option('--address <address>', 'only from there')
    .option('--since <instant>', 'only what was refused again since then, as 2026-11-21T08:00:00Z')
    .option('--alert', 'only what somebody should look at')
    .option('--limit <n>', 'at most so many', parseCount, 100)
    .action((_, command: Command) => listRefusals(cli, command.optsWithGlobals()))
}

async function listRefusals(cli: Cli, options: ListOptions): Promise<void> {
  const { fleet, device, code, address, since, limit } = options
  using api = await openOperatorApi(cli, options)
  const query = { fleet, device, code, address, since, alert: options.alert ? 'true' : undefined }
  const refusals = await api.list('/v1/refusals', Refusal, query, limit)
  printRows(cli.io, options, refusals, {
    last: (refusal) => formatInstant(refusal.lastAt),
    times: (refusal) => String(refusal.count),
    code: (refusal) => refusal.code,
    alert: (refusal) => (refusal.alert ? 'ALERT' : ''),
    who: ({ fleet, device, proven }) => {
      const name = [fleet, device].filter(Boolean).join('/')
      return name && !proven ? `${name} (claimed)` : name
    },
    address: (refusal) => refusal.address,
    detail: (refusal) => refusal.detail,
  })
}
