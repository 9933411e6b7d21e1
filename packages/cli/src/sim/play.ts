import { mkdir, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import {
  createView,
  hireWorkers,
  type RunOptions,
  reduceScenario,
  runScenario,
  startLocalWorker,
  writeReport,
} from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'
import { print } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { untilSignal } from '../signals.ts'
import { loadScenario, type SizeOptions } from './load-scenario.ts'

interface PlayOptions extends GlobalOptions, SizeOptions {
  workers?: number
  remote?: number
  broker?: string
  certificates?: string
  report?: string
  keep?: true
}

type Stage = Pick<RunOptions, 'on' | 'recruit'>

const devicesPerWorker = 500
/** As shells tell it: ended by Ctrl-C. */
const interruptedCode = 130

/** `muster sim run`. @throws CliError where the verdict is no */
export async function playScenario(cli: Cli, options: PlayOptions, name: string): Promise<void> {
  const whole = await loadScenario(name, options)
  const directory = await prepareDirectory(options.report)
  await using opened = new AsyncDisposableStack()
  // A second Ctrl-C waits for nothing.
  const { signal } = opened.use(untilSignal(() => process.exit(interruptedCode)))
  const view = opened.use(createView({ stream: options.json ? cli.io.stderr : cli.io.stdout }))
  const onNotice = (line: string) => view.say(line)
  const local = async () => startLocalWorkers(options.workers ?? countWorkers(whole.devices))
  const stage: Stage =
    options.broker === undefined
      ? await onMuster(cli, options, { opened, signal, onNotice, local })
      : { on: await loadBroker(options), recruit: local }
  const played = options.broker === undefined ? whole : reduceScenario(whole)
  const report = await runScenario({
    ...played,
    ...stage,
    signal,
    onNotice,
    onLive: (state) => view.show(state),
  }).catch((error: unknown) => {
    throw signal.aborted ? new CliError('interrupted before the first phase', { exitCode: interruptedCode }) : error
  })
  view.conclude(report)
  if (options.json) print(cli.io, JSON.stringify(report))
  if (directory !== undefined) view.say(`the report is in ${(await writeReport(directory, report)).html}`)
  if (!report.verdict.passed) throw new CliError(`${whole.scenario.name} has failed`)
}

interface Around {
  opened: AsyncDisposableStack
  signal: AbortSignal
  onNotice(line: string): void
  local: () => Promise<ReturnType<typeof startLocalWorkers>>
}

async function onMuster(cli: Cli, options: PlayOptions, around: Around): Promise<Stage> {
  const { opened, signal, onNotice, local } = around
  const operator = opened.use(await openOperatorApi(cli, options))
  const { remote: count } = options
  return {
    on: { operator, fleet: findFleet(cli, options), keep: options.keep ?? false },
    recruit: (session, service) =>
      service && count ? hireWorkers({ operator, service, session, count, signal, onNotice }) : local(),
  }
}

async function loadBroker({ broker = '', ca, certificates, remote }: PlayOptions): Promise<Stage['on']> {
  const usage = (message: string) => new CliError(message, { exitCode: exitCodes.usage })
  if (remote !== undefined) throw usage('--remote needs Muster: workers on other machines are devices of it')
  if (ca === undefined || certificates === undefined)
    throw usage('--broker needs --ca, whom devices trust, and --certificates, a folder of <client id>.crt and .key')
  if (URL.parse(broker)?.protocol !== 'mqtts:') throw usage(`--broker ${broker} is not like mqtts://host:8883`)
  const root = await readFile(ca, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(`${ca} cannot be read (${cause.code})`, { exitCode: exitCodes.usage, cause })
  })
  return { url: broker, ca: root, directory: resolve(certificates) }
}

const startLocalWorkers = (count: number) =>
  Array.from({ length: count }, (_, index) => startLocalWorker(String(index + 1)))

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
