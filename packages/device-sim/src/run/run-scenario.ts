import { randomInt } from 'node:crypto'
import type { OperatorApi } from '../operator/operator-api.ts'
import type { Service } from '../operator/service.ts'
import { openBroker } from '../plain/open-broker.ts'
import { countDevices } from '../plan/fleet-layout.ts'
import type { RunReport } from '../report/run-report.ts'
import type { ParsedScenario } from '../scenario/parse-scenario.ts'
import { longestFinishMs } from '../worker/finish.ts'
import type { ReadyBroker } from '../worker/messages.ts'
import { assignDevices } from './assign-devices.ts'
import { composeReport } from './compose-report.ts'
import type { RunContext } from './context.ts'
import { type Crew, gatherCrew } from './crew.ts'
import { followDevices } from './follow-devices.ts'
import type { LiveState } from './live.ts'
import { describeNow } from './live-state.ts'
import { type MeasuredProcess, measureProcesses } from './measure-processes.ts'
import { openPlatform } from './open-platform.ts'
import { playPhase } from './play-phase.ts'
import { createTally } from './tally.ts'
import type { WorkerLink } from './worker-link.ts'

export interface RunOptions extends ParsedScenario {
  on: Muster | ReadyBroker
  /** A line for each thing that was left out before. */
  skipped?: readonly string[]
  /** Whoever plays the devices; they are let go at the end. `service`: where there is Muster. */
  recruit(run: string, service: Service | undefined): Promise<readonly WorkerLink[]>
  /** Of the platform: what they use is in the report, too. */
  processes?: readonly MeasuredProcess[]
  /** Ends the run in order: the report is about what has been. */
  signal: AbortSignal
  onLive?: (state: LiveState) => void
  /** Something that people should know at once. */
  onNotice?: (line: string) => void
}

export interface Muster {
  operator: OperatorApi
  fleet: string
  /** The devices and claims of the run stay there. */
  keep?: boolean
}

const readyMs = 60_000
/** On top of what the slowest worker may take: thousands of connections are closed, and all of it is told. */
const finishMs = 40_000
const receiptsMs = 15_000

/** Plays a scenario. What goes wrong in it is in the report; it rejects only where it could not begin. */
export async function runScenario(options: RunOptions): Promise<RunReport> {
  const { scenario, yaml, on, signal, onNotice = () => undefined } = options
  const startedAt = Date.now()
  const run = nameRun()
  const prefix = `sim-${run}`
  const devices = countDevices(scenario)
  const tally = createTally()
  const following = followDevices(tally)
  const about = { scenario, run, prefix, devices, signal, onNotice }
  await using stage = 'operator' in on ? await openPlatform({ ...about, ...on }) : await openBroker({ ...about, ...on })
  const { platform, invariants } = stage
  await using workers = new AsyncDisposableStack()
  const links = await options.recruit(run, platform?.service)
  const crew = gatherCrew(
    links.map((worker) => workers.use(worker)),
    {
      onTick: (worker, tick) => tally.add(worker, tick),
      onObserved(observations) {
        for (const observation of observations) {
          following.observe(observation)
          invariants.observe(observation)
        }
      },
    },
  )
  const ready = await crew.ready(AbortSignal.any([signal, late(readyMs, 'ready')]))
  const equipment = await stage.equip()
  const shares = assignDevices(crew, devices, ({ from, to }) => ({
    ...{ run, prefix, from, to, scenario: yaml },
    ...equipment(from, to),
  }))

  await using measuring = await measureProcesses(options.processes ?? [])
  const phases: RunReport['phases'] = []
  using seconds = everySecond(() => {
    tally.endSecond(Date.now())
    const phase = { index: Math.max(0, phases.length - 1), startedAt: phases.at(-1)?.startedAt ?? startedAt }
    options.onLive?.(describeNow({ scenario, tally, startedAt, phase, invariants: invariants.verdicts() }))
  })
  const problems = await playPhases({ scenario, prefix, crew, tally, following, platform }, phases, signal)
  const leftovers = await finish(crew, problems, finishMs + longestFinishMs(scenario))
  await platform?.revocations.settle(receiptsMs)
  // Without all that devices have seen nothing can be concluded.
  if (leftovers) problems.push(...(await invariants.conclude(leftovers)))
  const ended = { endedAt: Date.now(), others: measuring.list() }
  seconds[Symbol.dispose]()
  crew.stop()
  if (leftovers && (await stage.takeBack())) problems.push(...(await invariants.inspect()))
  problems.push(...stage.problems())
  return composeReport({
    ...{ run, scenario, yaml, devices, startedAt, phases, problems, tally, following, ...ended },
    url: stage.url,
    skipped: [...(options.skipped ?? []), ...stage.skipped],
    invariants: invariants.verdicts(),
    workers: ready.map((worker, index) => ({ ...worker, name: crew.names[index] ?? '', devices: shares[index] ?? 0 })),
  })
}

/** @returns what went wrong; once something has, no further phase is begun */
async function playPhases(run: RunContext, records: RunReport['phases'], signal: AbortSignal): Promise<string[]> {
  for (const [index, { do: name }] of run.scenario.phases.entries()) {
    const record: RunReport['phases'][number] = { name, startedAt: Date.now(), endedAt: Date.now() }
    records.push(record)
    try {
      await playPhase(run, record, index, signal)
    } catch {
      // Why is in the record.
      return signal.aborted ? ['interrupted'] : []
    }
  }
  return []
}

/** Every device says how it is, and all connections are closed. @returns what is still there; undefined where not every worker could say so */
async function finish(crew: Crew, problems: string[], mostMs: number): Promise<string[] | undefined> {
  crew.broadcast({ order: 'finish' })
  try {
    const finished = await crew.finished(late(mostMs, 'through'))
    return finished.flatMap(({ leftovers }) => leftovers)
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
    return undefined
  }
}

/** Aborted after so long, and not in the way of the end of the process. */
function late(ms: number, what: string): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => controller.abort(new Error(`not every worker was ${what} within ${ms / 1_000} s`)), ms).unref()
  return controller.signal
}

/** Two runs on one platform do not meet. */
function nameRun(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  return Array.from({ length: 6 }, () => letters[randomInt(letters.length)]).join('')
}

function everySecond(task: () => void): Disposable {
  const timer = setInterval(task, 1_000)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
