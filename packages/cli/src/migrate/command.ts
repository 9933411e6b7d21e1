import type { Command } from 'commander'
import { CliError, exitCodes } from '../exit.ts'
import { notify } from '../io.ts'
import type { Cli } from '../settings.ts'

export function addMigrateCommand(program: Command, cli: Cli): void {
  program
    .command('migrate')
    .description('bring the database of MUSTER_DATABASE_URL to this version, as its owner')
    .action(() => migrate(cli))
}

async function migrate({ io, config }: Cli): Promise<void> {
  if (config.databaseUrl === undefined)
    throw new CliError('MUSTER_DATABASE_URL is needed', {
      exitCode: exitCodes.usage,
      hint: '`muster up` migrates its own database by itself',
    })
  const { migrateDb } = await import('@muster/db/migrate')
  await migrateDb(config.databaseUrl)
  notify(io, 'the database is up to date')
}
