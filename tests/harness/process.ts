import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export { freePorts } from './free-ports.ts'

export const root = join(import.meta.dirname, '../..')

/** A child process whose output is kept for the error message of a failing test. */
export interface RunningProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly output: () => string
  /** Ends it by SIGKILL, as a power cut would. */
  kill(): Promise<void>
  /** Resolves when the output matches. @throws when the process ends first or after `timeoutMs` */
  prints(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  exited(): Promise<number | null>
}

export function startProcess(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; ipc?: boolean } = {},
): RunningProcess {
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe', ...(options.ipc ? (['ipc'] as const) : [])],
  })
  let output = ''
  const waiting = new Set<() => void>()
  const collect = (chunk: Buffer) => {
    output += chunk
    for (const check of waiting) check()
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  child.on('error', (error) => collect(Buffer.from(String(error))))
  const exit = once(child, 'exit').then(([code]) => {
    for (const check of waiting) check()
    return code as number | null
  })
  const running = () => child.exitCode === null && child.signalCode === null

  return {
    child,
    output: () => output,
    exited: () => exit,
    async kill() {
      if (running()) child.kill('SIGKILL')
      await exit
    },
    prints(pattern, timeoutMs = 60_000) {
      return new Promise((resolve, reject) => {
        const finish = (error?: Error, match?: RegExpExecArray) => {
          clearTimeout(timer)
          waiting.delete(check)
          if (match) resolve(match)
          else reject(error)
        }
        const check = () => {
          const match = pattern.exec(output)
          if (match) finish(undefined, match)
          else if (!running()) finish(new Error(`ended before it printed ${pattern}:\n${output}`))
        }
        const timer = setTimeout(() => finish(new Error(`did not print ${pattern} in time:\n${output}`)), timeoutMs)
        waiting.add(check)
        check()
      })
    },
    async [Symbol.asyncDispose]() {
      if (running()) child.kill('SIGTERM')
      const forced = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await exit
      clearTimeout(forced)
    },
  }
}
