import { mkdtemp } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { MusterError } from '@muster/contracts'
import { createView, type RunReport, reduceScenario, runScenario, tryDirectory, writeReport } from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'
import { print } from '../io.ts'
import type { Cli } from '../settings.ts'
import { interruptedCode, untilSignal } from '../signals.ts'
import { chooseStage, type StageOptions } from './choose-stage.ts'
import { loadScenario, type SizeOptions } from './load-scenario.ts'
import { requireRoom } from './require-room.ts'

interface PlayOptions extends SizeOptions, Omit<StageOptions, 'workers'> {
  workers?: number
  report?: string
}

const devicesPerWorker = 500

/** `muster sim run`. @throws CliError where the verdict is no */
export async function playScenario(cli: Cli, options: PlayOptions, name: string): Promise<void> {
  const whole = await loadScenario(name, options)
  const played = options.broker === undefined ? whole : reduceScenario(whole)
  const { workers = countWorkers(whole.devices) } = options
  if (options.remote === undefined) requireRoom({ devices: whole.devices, workers })
  const directory = await prepareDirectory(options.report)
  await using opened = new AsyncDisposableStack()
  // A second Ctrl-C waits for nothing.
  const { signal } = opened.use(untilSignal(() => process.exit(interruptedCode)))
  const view = opened.use(createView({ stream: options.json ? cli.io.stderr : cli.io.stdout }))
  const onNotice = (line: string) => view.say(line)
  const stage = await chooseStage(cli, { ...options, workers }, { opened, signal, onNotice })
  const running = runScenario({ ...played, ...stage, signal, onNotice, onLive: (state) => view.show(state) })
  const report = await running.catch((error: unknown) => {
    if (signal.aborted) throw new CliError('interrupted before the first phase', { exitCode: interruptedCode })
    // What the scenario needs, and is not there.
    if (error instanceof MusterError && error.code === 'request-invalid')
      throw new CliError(error.detail, { exitCode: exitCodes.usage, cause: error })
    throw error
  })
  view.conclude(report)
  if (options.json) print(cli.io, JSON.stringify(report))
  if (directory !== undefined) await keepReport(directory, report, (line) => view.say(line))
  if (!report.verdict.passed) throw new CliError(`${whole.scenario.name} has failed`)
}

/** One a core, and no more than there is work for. */
const countWorkers = (devices: number) => Math.min(availableParallelism(), Math.ceil(devices / devicesPerWorker))

/** Before an hour is spent on what nobody can read then. */
async function prepareDirectory(report: string | undefined): Promise<string | undefined> {
  if (report === undefined) return undefined
  const directory = resolve(report)
  await tryDirectory(directory).catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(`no report can be written to ${directory} (${cause.code})`, { exitCode: exitCodes.usage, cause })
  })
  return directory
}

/** The run may have taken hours: where its place is gone or full by now, it is kept elsewhere. */
async function keepReport(directory: string, report: RunReport, say: (line: string) => void): Promise<void> {
  try {
    say(`the report is in ${(await writeReport(directory, report)).html}`)
  } catch (cause) {
    const why = `no report can be written to ${directory} (${(cause as NodeJS.ErrnoException).code ?? cause})`
    const spare = await mkdtemp(join(tmpdir(), 'muster-report-'))
      .then((place) => writeReport(place, report))
      .catch(() => undefined)
    throw new CliError(why, { cause, ...(spare && { hint: `it is in ${spare.html}` }) })
  }
}
