import { join } from 'node:path'
import { CliError } from '../exit.ts'
import { describeExit, type ProcessName, type RunningProcess, startProcess } from '../processes/start.ts'
import type { UpContext } from './context.ts'
import { keepRunning } from './keep-running.ts'
import { openLogFile } from './log-file.ts'
import { createThrottle, summariseLogLine } from './log-line.ts'
import { waitUntilReady } from './ready.ts'

export interface ProcessPlan {
  name: ProcessName
  /** Asked for at every start. */
  env: () => Promise<Record<string, string | undefined>> | Record<string, string | undefined>
  /** Where it says that it is ready; without, it is ready when it runs. */
  readyPort?: number
  onStart?: (running: RunningProcess) => void
}

const slowStartMs = 15_000

/** Runs one of our processes and starts it again when it ends. Its log goes to a file, warnings to the screen too. */
export async function keepProcess(up: UpContext, plan: ProcessPlan): Promise<AsyncDisposable> {
  const { name } = plan
  await using opened = new AsyncDisposableStack()
  const log = opened.use(openLogFile(join(up.data, 'logs'), name))
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const kept = await keepRunning({
    signal: up.signal,
    open: (signal) => openProcess(up, plan, log, signal),
    onEnd: (exit, pause) => up.screen.line(`${name} ${describeExit(exit)}; starting it again in ${seconds(pause)}`),
    onFailure: (error, pause) => up.screen.line(`${(error as Error).message}; trying again in ${seconds(pause)}`),
    onReady: () => up.screen.line(`${name} is ready again`),
  })
  opened.use(kept)
  return opened.move()
}

async function openProcess(
  up: UpContext,
  plan: ProcessPlan,
  log: ReturnType<typeof openLogFile>,
  signal: AbortSignal,
): Promise<RunningProcess> {
  const { name, readyPort } = plan
  const mayShow = createThrottle(`${name}: more is in ${log.path}`)
  const output = (line: string) => {
    log.write(line)
    const summary = summariseLogLine(line)
    const shown = summary && mayShow(summary.startsWith(`${name}: `) ? summary : `${name}: ${summary}`)
    if (shown) up.screen.line(shown)
  }
  const env = { ...up.cli.env, MUSTER_DATA: up.data, ...(await plan.env()) }
  const running = startProcess(name, { env, output })
  up.children.add(running.child)
  void running.exited.then(() => up.children.delete(running.child))
  plan.onStart?.(running)
  const slow = setTimeout(() => up.screen.line(`still waiting for ${name}; its log is ${log.path}`), slowStartMs)
  const watched = new AbortController()
  try {
    const failed = running.exited.then((exit) => {
      watched.abort()
      throw new CliError(`${name} ${describeExit(exit)} before it was ready`, { hint: `its log is ${log.path}` })
    })
    const ready =
      readyPort === undefined ? undefined : waitUntilReady(readyPort, AbortSignal.any([signal, watched.signal]))
    await Promise.race([failed, ready])
    failed.catch(() => undefined)
    return running
  } catch (error) {
    await running[Symbol.asyncDispose]()
    throw error
  } finally {
    clearTimeout(slow)
  }
}
