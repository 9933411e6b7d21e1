import { Command, CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { addCaCommands } from './ca/commands.ts'
import { addCertificateCommands } from './certificates/commands.ts'
import { addClaimCommands } from './claims/commands.ts'
import { addDeviceCommands } from './devices/commands.ts'
import { addDoctorCommand } from './doctor/command.ts'
import { describeFailure, exitCodes } from './exit.ts'
import { addFleetCommands } from './fleets/commands.ts'
import { addGroupCommands } from './groups/commands.ts'
import { notify } from './io.ts'
import { addLogCommand } from './log/command.ts'
import { addMigrateCommand } from './migrate/command.ts'
import { addPolicyCommands } from './policies/commands.ts'
import { addProcessCommands } from './processes/commands.ts'
import { addRefusalCommands } from './refusals/commands.ts'
import { addRenewalCommands } from './renewals/commands.ts'
import type { Cli } from './settings.ts'
import { addSimCommand } from './sim/command.ts'
import { addUpCommand } from './up/command.ts'

/** Runs one command line. @returns the exit code */
export async function runProgram(cli: Cli, args: readonly string[]): Promise<number> {
  try {
    await createProgram(cli).parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    // Commander has told already what was wrong with the command line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
    const { lines, exitCode } = describeFailure(error)
    notify(cli.io, lines.join('\n'))
    return exitCode
  }
}

export function createProgram(cli: Cli): Command {
  const program = new Command('muster')
    .description('Provision, connect and revoke fleets of IoT devices.')
    .version(`muster ${manifest.version}, Node ${process.versions.node}`)
    .option('--url <url>', 'the API (MUSTER_API_URL; https://localhost:8443)')
    .option('--data <dir>', 'the data directory of `muster up` (MUSTER_DATA; .muster)')
    .option('--ca <file>', 'root certificate to trust (<data>/ca/root.crt)')
    .option('--token-file <file>', 'operator token (MUSTER_TOKEN, MUSTER_TOKEN_FILE; <data>/operator-token)')
    .option('--fleet <name>', 'the fleet (MUSTER_FLEET; default)')
    .option('--json', 'machine-readable output')
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void cli.io.stdout.write(text),
      writeErr: (text) => void cli.io.stderr.write(text),
    })
  addUpCommand(program, cli)
  addProcessCommands(program, cli)
  addMigrateCommand(program, cli)
  addClaimCommands(program, cli)
  addDeviceCommands(program, cli)
  addPolicyCommands(program, cli)
  addGroupCommands(program, cli)
  addFleetCommands(program, cli)
  addCertificateCommands(program, cli)
  addRefusalCommands(program, cli)
  addRenewalCommands(program, cli)
  addCaCommands(program, cli)
  addLogCommand(program, cli)
  addSimCommand(program, cli)
  addDoctorCommand(program, cli)
  exitByThrowing(program)
  return program
}

function exitByThrowing(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) exitByThrowing(child)
}
