import { AuditEntry } from '@muster/contracts'
import type { Command } from 'commander'
import { printRows } from '../io.ts'
import { parseCount } from '../options.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'

interface LogOptions extends GlobalOptions {
  subject?: string
  limit: number
}

export function addLogCommand(program: Command, cli: Cli): void {
  program
    .command('log')
    .description('who changed what in the fleet, the newest first')
    .option('--subject <id>', 'only what was done to this device, claim, policy or CA')
    .option('--limit <n>', 'at most so many', parseCount, 50)
    .action((_, command: Command) => listLog(cli, command.optsWithGlobals()))
}

async function listLog(cli: Cli, options: LogOptions): Promise<void> {
  const { subject, limit } = options
  using api = await openOperatorApi(cli, options)
  const entries = await api.list('/v1/audit', AuditEntry, { fleet: findFleet(cli, options), subject }, limit)
  printRows(cli.io, options, entries, {
    at: (entry) => formatInstant(entry.at),
    actor: (entry) => entry.actor,
    action: (entry) => entry.action,
    subject: (entry) => entry.subject,
    detail: ({ detail }) =>
      Object.entries(detail)
        .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
        .join(' '),
  })
}
