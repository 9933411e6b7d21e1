import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Percentiles } from '../measure/latency.ts'
import type {
  Closing,
  CommandName,
  Commands,
  ConnectOutcome,
  ConnectSettings,
  Heard,
  Identity,
  PacedSettings,
  PublishOutcome,
  PublishSettings,
  Range,
  ReceivedCounts,
  Reply,
  SubscribeSettings,
  Target,
} from './commands.ts'

export interface LoadOptions {
  target: Target
  identities: Identity[]
  /** Processes that share the identities. */
  workers?: number
  /** So many addresses 127.0.0.2 and up to come from. */
  addresses?: number
  /** Arguments for Node in the workers. */
  execArgv?: string[]
}

/** A load of connections to one broker, whichever: played by processes of its own, so that its cost is its own. */
export interface Load extends AsyncDisposable {
  readonly pids: number[]
  connect(settings: ConnectSettings): Promise<ConnectOutcome>
  churn(settings: Commands['churn']['input']): Promise<ConnectOutcome>
  subscribe(settings: SubscribeSettings): Promise<{ granted: number; refused: number }>
  publish(settings: PublishSettings): Promise<PublishOutcome>
  startPaced(settings: PacedSettings): Promise<void>
  stopPaced(): Promise<void>
  counts(): Promise<ReceivedCounts>
  closings(): Promise<Closing[]>
  heard(): Promise<Heard[]>
  close(range: Range): Promise<number>
}

export async function openLoad({
  target,
  identities,
  workers = 1,
  addresses = 1,
  execArgv,
}: LoadOptions): Promise<Load> {
  const share = Math.ceil(identities.length / workers)
  const children = Array.from({ length: workers }, () => startWorker(execArgv))
  const askAll = <Name extends CommandName>(name: Name, input: Commands[Name]['input']) =>
    Promise.all(children.map((child) => child.ask(name, input)))
  await Promise.all(
    children.map((child, index) => {
      const offset = index * share
      return child.ask('identities', {
        target,
        identities: identities.slice(offset, offset + share),
        offset,
        addresses,
      })
    }),
  )
  const perWorker = <T extends ConnectSettings>(settings: T): T => {
    return { ...settings, concurrency: Math.max(1, Math.round(settings.concurrency / workers)) }
  }
  return {
    pids: children.map(({ pid }) => pid),
    connect: async (settings) => addConnects(await askAll('connect', perWorker(settings))),
    churn: async (settings) => addConnects(await askAll('churn', perWorker(settings))),
    async subscribe(settings) {
      const answers = await askAll('subscribe', settings)
      return { granted: sum(answers, 'granted'), refused: sum(answers, 'refused') }
    },
    publish: async (settings) => addPublishes(await askAll('publish', settings)),
    startPaced: async (settings) => void (await askAll('startPaced', settings)),
    stopPaced: async () => void (await askAll('stopPaced', undefined)),
    async counts() {
      const answers = await askAll('counts', undefined)
      const received = answers.map((answer) => answer.received)
      const [zero, one] = [
        received.reduce((all, [qos0]) => all + qos0, 0),
        received.reduce((all, [, qos1]) => all + qos1, 0),
      ]
      return { received: [zero, one], sent: sum(answers, 'sent'), acknowledged: sum(answers, 'acknowledged') }
    },
    closings: async () => (await askAll('closings', undefined)).flat(),
    heard: async () => (await askAll('heard', undefined)).flat(),
    close: async (range) => (await askAll('close', range)).reduce((all, closed) => all + closed, 0),
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map(({ end }) => end()))
    },
  }
}

function startWorker(execArgv: string[] = []) {
  const child = fork(new URL('worker.ts', import.meta.url), { serialization: 'advanced', execArgv })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let seq = 0
  child.on('message', ({ seq, answer, error }: Reply) => {
    const asked = waiting.get(seq)
    waiting.delete(seq)
    if (error === undefined) asked?.resolve(answer)
    else asked?.reject(new Error(error))
  })
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`a load worker ended: ${signal ?? code}`))
    waiting.clear()
  })
  return {
    pid: child.pid ?? 0,
    ask<Name extends CommandName>(name: Name, input: Commands[Name]['input']): Promise<Commands[Name]['answer']> {
      const asked = Promise.withResolvers<unknown>()
      seq++
      waiting.set(seq, asked)
      child.send({ seq, name, input })
      return asked.promise as Promise<Commands[Name]['answer']>
    },
    end: () => endChild(child),
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.disconnect()
  const forced = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await exited
  clearTimeout(forced)
}

function sum<Key extends string>(answers: Record<Key, number>[], key: Key): number {
  return answers.reduce((all, answer) => all + answer[key], 0)
}

function addConnects(outcomes: ConnectOutcome[]): ConnectOutcome {
  const failures: Record<string, number> = {}
  for (const outcome of outcomes)
    for (const [reason, count] of Object.entries(outcome.failures)) failures[reason] = (failures[reason] ?? 0) + count
  return { connected: sum(outcomes, 'connected'), resumed: sum(outcomes, 'resumed'), failures }
}

function addPublishes(outcomes: PublishOutcome[]): PublishOutcome {
  const most = (pick: (outcome: PublishOutcome) => number) => Math.max(...outcomes.map(pick))
  const latency: Percentiles = {
    count: outcomes.reduce((all, { latency: { count } }) => all + count, 0),
    p50: most(({ latency }) => latency.p50),
    p90: most(({ latency }) => latency.p90),
    p99: most(({ latency }) => latency.p99),
    max: most(({ latency }) => latency.max),
  }
  const elapsedMs = most((outcome) => outcome.elapsedMs)
  return {
    sent: sum(outcomes, 'sent'),
    acknowledged: sum(outcomes, 'acknowledged'),
    refused: sum(outcomes, 'refused'),
    unanswered: sum(outcomes, 'unanswered'),
    elapsedMs,
    latency,
  }
}
