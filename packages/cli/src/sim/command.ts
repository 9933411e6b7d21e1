import type { Command } from 'commander'
import { parseCount } from '../options.ts'
import type { Cli } from '../settings.ts'

export function addSimCommand(program: Command, cli: Cli): void {
  program
    .command('sim')
    .description('a fleet of simulated devices, until Ctrl-C')
    .option('--devices <n>', 'how many', parseCount, 10)
    .option('--prefix <name>', 'names are <prefix>-0001 …', 'sim')
    .option('--seed <n>', 'the same seed gives the same devices and readings', parseCount, 1)
    .option('--ramp <n>', 'devices started a second', parseCount, 50)
    .option('--interval <ms>', 'between two readings of a device', parseCount, 1_000)
    .option('--qos <0|1|2>', 'of the readings', Number, 1)
    .option('--group <name>', 'the group they enrol in', 'default')
    .option('--duration <seconds>', 'end after so long', parseCount)
    .option('--store <dir>', 'keep keys and certificates there, so that the same devices come back')
    .option('--renew', 'the devices renew their certificates before they end')
    .option('--new-keys', 'with --renew: with a new key each time')
    .option('--claim-file <file>', 'a claim with enough uses; without, one is made as the operator')
    .action(async (_, command: Command) => {
      // The SDK and MQTT: other commands start faster without.
      const { simulate } = await import('./run.ts')
      await simulate(cli, command.optsWithGlobals())
    })
}
