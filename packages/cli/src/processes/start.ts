import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export type ProcessName = 'provisioner' | 'broker' | 'device-sim'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A process of ours. Disposing of it asks it to end, and makes it end when it does not. */
export interface RunningProcess extends AsyncDisposable {
  readonly pid: number
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  /** Rejects where the rest of its environment is not to be had. */
  readonly released: Promise<void>
}

export interface StartOptions {
  env: Readonly<Record<string, string | undefined>>
  /** The part of the environment that is not known yet; until it is, the process loads its modules. */
  lateEnv?: (() => Promise<Record<string, string>>) | undefined
  args?: readonly string[]
  /** `inherit` for the foreground; otherwise its lines go to `onLine`. */
  output: 'inherit' | ((line: string) => void)
}

const patienceMs = 8_000

/** What a process has to be told before Node starts; whoever has a file of their own keeps it. */
const openssl = { broker: { OPENSSL_CONF: join(import.meta.dirname, '../../../broker/openssl.cnf') } }

export function entryOf(name: ProcessName): string {
  return join(import.meta.dirname, '../../..', name, 'src/main.ts')
}

/**
 * Starts a process that ends with us: it notices the end of its IPC channel, even when we are killed.
 * It has a process group of its own, so that a Ctrl-C in the terminal reaches us alone and we stop things in order.
 */
export function startProcess(name: ProcessName, { env, lateEnv, args = [], output }: StartOptions): RunningProcess {
  const stream = output === 'inherit' ? 'inherit' : 'pipe'
  const held = lateEnv ? ['--import', new URL('hold.ts', import.meta.url).href] : []
  const child = spawn(process.execPath, [...held, entryOf(name), ...args], {
    env: { ...(name === 'broker' && openssl.broker), ...env },
    stdio: ['ignore', stream, stream, 'ipc'],
    detached: true,
  })
  if (output !== 'inherit') for (const pipe of [child.stdout, child.stderr]) readLines(pipe, output)
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: null, signal: null }))
  })
  const released = lateEnv?.().then((rest) => {
    if (child.connected) child.send(rest)
  })
  return {
    pid: child.pid ?? 0,
    child,
    exited,
    released: released ?? Promise.resolve(),
    [Symbol.asyncDispose]: () => stop(child, exited),
  }
}

async function stop(child: ChildProcess, exited: Promise<Exit>): Promise<void> {
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  if (hasEnded()) return
  child.kill('SIGTERM')
  if (child.connected) child.disconnect()
  const late = new AbortController()
  const forced = delay(patienceMs, undefined, { signal: late.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  )
  await exited
  late.abort()
  await forced
  // What it still had to say when it ended.
  if (child.stdout && !child.stdout.closed) await once(child.stdout, 'close')
}

function readLines(pipe: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = ''
  pipe?.setEncoding('utf8')
  pipe?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  pipe?.on('end', () => {
    if (rest) onLine(rest)
  })
}

export function describeExit({ code, signal }: Exit): string {
  if (signal) return `was ended by ${signal}`
  return code === null ? 'could not be started' : `ended with code ${code}`
}
