import type { MeasuredProcess } from '@muster/device-sim'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseCount, parseFactor, parsePrefix, parseShare } from '../options.ts'
import type { Cli } from '../settings.ts'

// Each action loads what it needs, the SDK and MQTT: other commands start faster without.
export function addSimCommand(program: Command, cli: Cli): void {
  const sim = program
    .command('sim')
    .description('simulated devices: scenarios with a verdict, or a fleet that just lives')
  addRun(sim, cli)
  addList(sim, cli)
  addValidate(sim, cli)
  addWorker(sim, cli)
  addCompare(sim, cli)
  addFleet(sim, cli)
}

function addProcess(text: string, before: MeasuredProcess[] = []): MeasuredProcess[] {
  const [, name, pid] = /^([^=]+)=(\d+)$/.exec(text) ?? []
  if (name === undefined || pid === undefined) throw new InvalidArgumentError('Like redis=1234.')
  return [...before, { name, pid: Number(pid) }]
}

const addSize = (command: Command) =>
  command
    .option('--small', 'at the small size that the scenario names')
    .option('--devices <n>', 'so many devices in all, each class in proportion', parseCount)
    .option('--time <factor>', 'times of phases, telemetry and faults multiplied by it', parseFactor)
    .option('--seed <n>', 'another fleet, other readings, other faults', parseCount)

function addRun(sim: Command, cli: Cli): void {
  addSize(sim.command('run <scenario>'))
    .description('play a scenario, and judge the platform by it: a file, or the name of a ready one')
    .option('--workers <n>', 'processes that play the devices (one a core, one for 500 devices)', parseCount)
    .option('--remote <n>', 'wait for so many `muster sim worker`, and let them play', parseCount)
    .option('--broker <url>', 'on any MQTT broker, like mqtts://host:8883, with --ca and --certificates')
    .option('--certificates <dir>', 'with --broker: <client id>.crt and <client id>.key of its devices')
    .option('--process <name=pid>', 'measure this process, and all it has started, too; again for several', addProcess)
    .option('--report <dir>', 'write report.html and report.json there')
    .option('--keep', 'leave its devices and claims on the platform')
    .action(async (name: string, _, command: Command) => {
      const { playScenario } = await import('./play.ts')
      await playScenario(cli, command.optsWithGlobals(), name)
    })
}

function addWorker(sim: Command, cli: Cli): void {
  sim
    .command('worker')
    .description('play devices for a `muster sim run --remote` on another machine, until Ctrl-C')
    .requiredOption('--claim-file <file>', 'a claim of the group sim-workers')
    .option('--name <name>', 'its name in the fleet (worker-<host>-<letters>)')
    .option('--store <dir>', 'keep its key and certificate there, so that it comes back as the same')
    .action(async (_, command: Command) => {
      const { playForOthers } = await import('./worker.ts')
      await playForOthers(cli, command.optsWithGlobals())
    })
}

function addList(sim: Command, cli: Cli): void {
  sim
    .command('list')
    .description('the scenarios that come with the simulator')
    .action(async (_, command: Command) => {
      const { listScenarios } = await import('./list.ts')
      await listScenarios(cli, command.optsWithGlobals())
    })
}

function addValidate(sim: Command, cli: Cli): void {
  addSize(sim.command('validate <scenario>'))
    .description('what is wrong with a scenario, a file or a ready one; or what would be played')
    .action(async (name: string, _, command: Command) => {
      const { validateScenario } = await import('./validate.ts')
      await validateScenario(cli, command.optsWithGlobals(), name)
    })
}

function addCompare(sim: Command, cli: Cli): void {
  sim
    .command('compare <a> <b>')
    .description('the reports of two runs (report.json) side by side')
    .option('--html <file>', 'write a page with both in one chart')
    .option('--fail-on <share>', 'fail where a percentile of b is worse by more, or its verdict', parseShare)
    .action(async (a: string, b: string, _, command: Command) => {
      const { compareRuns } = await import('./compare.ts')
      await compareRuns(cli, command.optsWithGlobals(), [a, b])
    })
}

function addFleet(sim: Command, cli: Cli): void {
  sim
    .command('fleet')
    .description('a fleet of simulated devices, until Ctrl-C')
    .option('--devices <n>', 'how many', parseCount, 10)
    .option('--prefix <name>', 'names are <prefix>-0001 …', parsePrefix, 'sim')
    .option('--seed <n>', 'the same seed gives the same devices and readings', parseCount, 1)
    .option('--ramp <n>', 'devices started a second', parseCount, 50)
    .option('--interval <ms>', 'between two readings of a device', parseCount, 1_000)
    .addOption(new Option('--qos <level>', 'of the readings').choices(['0', '1', '2']).default('1'))
    .option('--group <name>', 'the group they enrol in', 'default')
    .option('--duration <seconds>', 'end after so long', parseCount)
    .option('--store <dir>', 'keep keys and certificates there, so that the same devices come back')
    .option('--renew', 'the devices renew their certificates before they end')
    .option('--new-keys', 'with --renew: with a new key each time')
    .option('--claim-file <file>', 'a claim with enough uses; without, one is made as the operator')
    .action(async (_, command: Command) => {
      const { simulate } = await import('./fleet.ts')
      await simulate(cli, command.optsWithGlobals())
    })
}
