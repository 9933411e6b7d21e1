import { availableParallelism } from 'node:os'
import { hireWorkers, type LiveState, type RunReport, runScenario, startLocalWorker } from '@muster/device-sim'
import { CliError } from '../exit.ts'
import { notify, print } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { untilSignal } from '../signals.ts'
import { loadScenario } from './load-scenario.ts'

export interface PlayOptions extends GlobalOptions {
  small?: true
  devices?: number
  time?: number
  workers?: number
  remote?: number
  keep?: true
}

const devicesPerWorker = 500
/** As shells tell it: ended by Ctrl-C. */
const interruptedCode = 130

/** `muster sim run`. @throws CliError where the verdict is no */
export async function playScenario(cli: Cli, options: PlayOptions, name: string): Promise<void> {
  const parsed = await loadScenario(name, options)
  using api = await openOperatorApi(cli, options)
  using stop = untilSignal(() => process.exit(interruptedCode))
  const fleet = findFleet(cli, options)
  const onNotice = (line: string) => notify(cli.io, line)
  const { remote, workers = countWorkers(parsed.devices) } = options
  const report = await runScenario({
    ...parsed,
    ...{ operator: api, fleet, signal: stop.signal, keep: options.keep ?? false, onNotice },
    recruit: async (service, session) => {
      if (remote) return hireWorkers({ operator: api, service, session, count: remote, signal: stop.signal, onNotice })
      return Array.from({ length: workers }, (_, index) => startLocalWorker(String(index + 1)))
    },
    onLive: (state) => showLine(cli, state),
  })
  print(cli.io, options.json ? JSON.stringify(report) : describe(report))
  if (!report.verdict.passed) throw new CliError(`${parsed.scenario.name} has failed`)
}

/** One a core, and no more than there is work for. */
const countWorkers = (devices: number) => Math.min(availableParallelism(), Math.ceil(devices / devicesPerWorker))

function showLine(cli: Cli, { phase, counts, elapsedMs }: LiveState): void {
  const { started, connected, acknowledged } = counts
  const line = `${Math.round(elapsedMs / 1_000)} s, ${phase.name}: ${started} started, ${connected} connected, ${acknowledged} acknowledged`
  notify(cli.io, line)
}

function describe({ verdict }: RunReport): string {
  return [verdict.passed ? 'passed' : 'failed', ...verdict.reasons].join('\n  ')
}
