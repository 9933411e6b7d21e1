import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Observation, Order, Report } from '@muster/device-sim'
import { root } from './process.ts'
import { waitFor } from './wait.ts'

/** A worker process of the simulator, ordered about directly: without its coordinator. */
export interface SimulatorWorker extends AsyncDisposable {
  pid: number
  reports: Report[]
  order(order: Order): void
  /** Resolves when the worker is through with it. */
  play(index: number, timeoutMs?: number): Promise<void>
  finish(): Promise<Extract<Report, { report: 'finished' }>>
  /** The latest. */
  tick(): Extract<Report, { report: 'tick' }> | undefined
  saw<Kind extends Observation['saw']>(kind: Kind): Extract<Observation, { saw: Kind }>[]
}

export async function startSimulatorWorker(execArgv: string[] = []): Promise<SimulatorWorker> {
  const child = fork(join(root, 'packages/device-sim/src/worker/main.ts'), [], { execArgv })
  const reports: Report[] = []
  child.on('message', (report: Report) => reports.push(report))
  const worker: SimulatorWorker = {
    pid: child.pid ?? 0,
    reports,
    order: (order) => void child.send(order),
    async play(index, timeoutMs) {
      worker.order({ order: 'phase', index, in: 0 })
      await until(
        `phase ${index}`,
        ({ report, ...rest }) => report === 'phase-done' && 'index' in rest && rest.index === index,
        timeoutMs,
      )
    },
    async finish() {
      worker.order({ order: 'finish' })
      const finished = await until('finished', ({ report }) => report === 'finished')
      return finished as Extract<Report, { report: 'finished' }>
    },
    tick: () => reports.findLast((report) => report.report === 'tick'),
    saw: (kind) =>
      reports
        .flatMap((report) => (report.report === 'observed' ? report.observations : []))
        .filter((observation): observation is Extract<Observation, { saw: typeof kind }> => observation.saw === kind),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      if (child.connected) child.disconnect()
      await ended
    },
  }
  const until = (what: string, is: (report: Report) => boolean, timeoutMs = 60_000) =>
    waitFor(
      what,
      async () => {
        const failed = reports.find(({ report }) => report === 'failed')
        if (failed) throw new Error(JSON.stringify(failed))
        return reports.find(is)
      },
      { timeoutMs },
    )
  await until('ready', ({ report }) => report === 'ready')
  return worker
}
