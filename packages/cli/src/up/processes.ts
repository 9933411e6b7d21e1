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
  env: Record<string, string | undefined>
  /** What must have happened before it can start; asked for at every start. */
  lateEnv: () => Promise<Record<string, string>>
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
  const env = { ...up.cli.env, MUSTER_DATA: up.data, ...plan.env }
  const running = startProcess(name, { env, lateEnv: plan.lateEnv, output })
  up.children.add(running.child)
  void running.exited.then(() => up.children.delete(running.child))
  plan.onStart?.(running)
  const slow = setTimeout(() => up.screen.line(`still waiting for ${name}; its log is ${log.path}`), slowStartMs)
  const failed = new AbortController()
  const ended = running.exited.then((exit) => {
    throw new CliError(`${name} ${describeExit(exit)} before it was ready`, { hint: `its log is ${log.path}` })
  })
  try {
    const ready = async () => {
      await running.released
      if (readyPort !== undefined) await waitUntilReady(readyPort, AbortSignal.any([signal, failed.signal]))
    }
    await Promise.race([ended, ready(), aborted(signal)])
    return running
  } catch (error) {
    failed.abort()
    await running[Symbol.asyncDispose]()
    throw error
  } finally {
    clearTimeout(slow)
    ended.catch(() => undefined)
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
