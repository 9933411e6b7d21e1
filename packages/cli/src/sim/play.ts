import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { createView, hireWorkers, runScenario, startLocalWorker, writeReport } from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'
import { print } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { untilSignal } from '../signals.ts'
import { loadScenario, type SizeOptions } from './load-scenario.ts'

interface PlayOptions extends GlobalOptions, SizeOptions {
  workers?: number
  remote?: number
  report?: string
  keep?: true
}

const devicesPerWorker = 500
/** As shells tell it: ended by Ctrl-C. */
const interruptedCode = 130

/** `muster sim run`. @throws CliError where the verdict is no */
export async function playScenario(cli: Cli, options: PlayOptions, name: string): Promise<void> {
  const parsed = await loadScenario(name, options)
  const directory = await prepareDirectory(options.report)
  const fleet = findFleet(cli, options)
  using api = await openOperatorApi(cli, options)
  // A second Ctrl-C waits for nothing.
  using stop = untilSignal(() => process.exit(interruptedCode))
  using view = createView({ stream: options.json ? cli.io.stderr : cli.io.stdout })
  const { signal } = stop
  const onNotice = (line: string) => view.say(line)
  const { remote, workers = countWorkers(parsed.devices) } = options
  const report = await runScenario({
    ...parsed,
    ...{ operator: api, fleet, signal, keep: options.keep ?? false, onNotice },
    recruit: async (service, session) => {
      if (remote) return hireWorkers({ operator: api, service, session, count: remote, signal, onNotice })
      return Array.from({ length: workers }, (_, index) => startLocalWorker(String(index + 1)))
    },
    onLive: (state) => view.show(state),
  })
  view.conclude(report)
  if (options.json) print(cli.io, JSON.stringify(report))
  if (directory !== undefined) view.say(`the report is in ${(await writeReport(directory, report)).html}`)
  if (!report.verdict.passed) throw new CliError(`${parsed.scenario.name} has failed`)
}

/** One a core, and no more than there is work for. */
const countWorkers = (devices: number) => Math.min(availableParallelism(), Math.ceil(devices / devicesPerWorker))

/** Before an hour is spent on what nobody can read then. */
async function prepareDirectory(report: string | undefined): Promise<string | undefined> {
  if (report === undefined) return undefined
  const directory = resolve(report)
  await mkdir(directory, { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(`no report can be written to ${directory} (${cause.code})`, { exitCode: exitCodes.usage, cause })
  })
  return directory
}
