import { constants } from 'node:os'
import type { Command } from 'commander'
import { CliError } from '../exit.ts'
import { type Cli, findData, type GlobalOptions } from '../settings.ts'
import { startProcess } from './start.ts'

const processes = {
  provisioner: 'run the provisioner alone, in the foreground',
  broker: 'run a broker alone, in the foreground',
} as const

export function addProcessCommands(program: Command, cli: Cli): void {
  for (const [name, description] of Object.entries(processes) as [keyof typeof processes, string][])
    program
      .command(name)
      .description(`${description}; configured by the environment`)
      .option('--check-config', 'only say whether the configuration can be used')
      .action((_, command: Command) => runInForeground(cli, name, command.optsWithGlobals()))
}

interface ForegroundOptions extends GlobalOptions {
  checkConfig?: boolean
}

async function runInForeground(cli: Cli, name: keyof typeof processes, options: ForegroundOptions): Promise<void> {
  const env = { ...cli.env, MUSTER_DATA: findData(cli, options) }
  const running = startProcess(name, { env, args: options.checkConfig ? ['--check-config'] : [], output: 'inherit' })
  const pass = (signal: NodeJS.Signals) => running.child.kill(signal)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, pass)
  const { code, signal } = await running.exited
  for (const each of signals) process.off(each, pass)
  if (code !== 0)
    throw new CliError(`${name} ended`, { exitCode: code ?? 128 + (signal ? constants.signals[signal] : 0) })
}
