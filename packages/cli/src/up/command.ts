import type { Command } from 'commander'
import { parseCount } from '../options.ts'
import type { Cli } from '../settings.ts'

export function addUpCommand(program: Command, cli: Cli): void {
  program
    .command('up')
    .description('run everything on this machine, until Ctrl-C')
    .option('--demo <n>', 'with so many simulated devices, one of which is then revoked', parseCount)
    .action(async (_, command: Command) => {
      // The database driver and all that: other commands start faster without.
      const { runUp } = await import('./run.ts')
      await runUp(cli, command.optsWithGlobals())
    })
}
