import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { hireWorkers, type MeasuredProcess, type RunOptions, startLocalWorker } from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { findProcesses } from './find-processes.ts'

export interface StageOptions extends GlobalOptions {
  workers: number
  remote?: number
  broker?: string
  certificates?: string
  process?: MeasuredProcess[]
  keep?: true
}

interface Around {
  opened: AsyncDisposableStack
  signal: AbortSignal
  onNotice(line: string): void
}

/** Where a scenario is played, and by whom. */
export type Stage = Pick<RunOptions, 'on' | 'recruit' | 'processes'>

export const chooseStage = (cli: Cli, options: StageOptions, around: Around): Promise<Stage> =>
  options.broker === undefined ? onMuster(cli, options, around) : onBroker(options, options.broker)

async function onMuster(cli: Cli, options: StageOptions, { opened, signal, onNotice }: Around): Promise<Stage> {
  const operator = opened.use(await openOperatorApi(cli, options))
  const { remote: count, workers } = options
  return {
    on: { operator, fleet: findFleet(cli, options), keep: options.keep ?? false },
    processes: [...(await findProcesses(cli, options)), ...(options.process ?? [])],
    recruit: async (session, service) =>
      service && count
        ? hireWorkers({ operator, service, session, count, signal, onNotice })
        : startLocalWorkers(workers),
  }
}

async function onBroker(options: StageOptions, url: string): Promise<Stage> {
  const { ca, certificates, remote, workers, process: processes = [] } = options
  const usage = (message: string) => new CliError(message, { exitCode: exitCodes.usage })
  if (remote !== undefined) throw usage('--remote needs Muster: workers on other machines are devices of it')
  if (ca === undefined || certificates === undefined)
    throw usage('--broker needs --ca, whom devices trust, and --certificates, a folder of <client id>.crt and .key')
  if (URL.parse(url)?.protocol !== 'mqtts:') throw usage(`--broker ${url} is not like mqtts://host:8883`)
  const root = await readFile(ca, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(`${ca} cannot be read (${cause.code})`, { exitCode: exitCodes.usage, cause })
  })
  return {
    on: { url, ca: root, directory: resolve(certificates) },
    processes,
    recruit: async () => startLocalWorkers(workers),
  }
}

const startLocalWorkers = (count: number) =>
  Array.from({ length: count }, (_, index) => startLocalWorker(String(index + 1)))
