import type { Command } from 'commander'
import { CliError } from '../exit.ts'
import { print } from '../io.ts'
import type { Cli, GlobalOptions } from '../settings.ts'

export interface Finding {
  what: string
  state: 'good' | 'bad' | 'skipped'
  detail: string
}

export function addDoctorCommand(program: Command, cli: Cli): void {
  program
    .command('doctor')
    .description('look for what is wrong with this installation')
    .action((_, command: Command) => diagnose(cli, command.optsWithGlobals()))
}

const marks = { good: 'ok  ', bad: 'BAD ', skipped: '-   ' } as const

async function diagnose(cli: Cli, options: GlobalOptions): Promise<void> {
  // The database driver: other commands start faster without.
  const { examine } = await import('./examine.ts')
  const findings = await examine(cli, options)
  if (options.json) print(cli.io, JSON.stringify(findings, null, 2))
  else for (const { what, state, detail } of findings) print(cli.io, `${marks[state]}${what.padEnd(16)} ${detail}`)
  const bad = findings.filter((finding) => finding.state === 'bad').length
  if (bad > 0) throw new CliError(`${bad} of ${findings.length} checks found something`)
}
