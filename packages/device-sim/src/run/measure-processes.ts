import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunReport } from '../report/run-report.ts'
import { readProcessTree, type Usage } from './process-usage.ts'

/** A process of the platform that is on this machine, or tells about itself. */
export type MeasuredProcess = { name: string } & (
  | { /** With all that it has started. */ pid: number }
  | { /** Its metrics (Prometheus). */ metrics: string }
)

export interface Measurement extends AsyncDisposable {
  /** What was used since it began; those that never answered are left out. */
  list(): RunReport['processes']
}

const everyMs = 2_000
const answerMs = 1_000

interface Found {
  name: string
  pid: number
  host: string
  first: number
  /** By process. */
  cpuMs: Map<number, number>
  rssPeakBytes: number
}

export async function measureProcesses(processes: readonly MeasuredProcess[]): Promise<Measurement> {
  const found = new Map<string, Found>()
  const ending = new AbortController()
  await Promise.all(processes.map((one) => look(one, found)))
  const looking = keepLooking()

  async function keepLooking(): Promise<void> {
    while (!ending.signal.aborted) {
      await sleep(everyMs, undefined, { signal: ending.signal }).catch(() => undefined)
      await Promise.all(processes.map((one) => look(one, found)))
    }
  }

  return {
    list: () =>
      processes
        .flatMap((one) => found.get(one.name) ?? [])
        .map(({ name, pid, host, first, cpuMs, rssPeakBytes }) => ({
          ...{ name, pid, host, rssPeakBytes },
          cpuMs: Math.max(0, sum(cpuMs.values()) - first),
        })),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await looking
    },
  }
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((all, one) => all + one, 0)

async function look(one: MeasuredProcess, found: Map<string, Found>): Promise<void> {
  const usages = 'pid' in one ? await readProcessTree(one.pid) : await readMetrics(one.metrics)
  if (!usages) return
  const rssBytes = sum(usages.map((usage) => usage.rssBytes))
  const known = found.get(one.name)
  // Those that have ended meanwhile keep what they have used.
  const cpuMs = known?.cpuMs ?? new Map<number, number>()
  for (const usage of usages) cpuMs.set(usage.pid, usage.cpuMs)
  if (known) known.rssPeakBytes = Math.max(known.rssPeakBytes, rssBytes)
  else {
    const place = 'pid' in one ? { pid: one.pid, host: hostname() } : { pid: 0, host: new URL(one.metrics).hostname }
    found.set(one.name, { name: one.name, ...place, first: sum(cpuMs.values()), cpuMs, rssPeakBytes: rssBytes })
  }
}

/** It may start anew meanwhile, and count from zero: then what was before is lost. */
async function readMetrics(url: string): Promise<Usage[] | undefined> {
  const text = await fetch(url, { signal: AbortSignal.timeout(answerMs) })
    .then((answer) => answer.text())
    .catch(() => '')
  const read = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1])
  const [cpu, rssBytes] = [read('process_cpu_seconds_total'), read('process_resident_memory_bytes')]
  return Number.isFinite(cpu) && Number.isFinite(rssBytes) ? [{ pid: 0, cpuMs: cpu * 1_000, rssBytes }] : undefined
}
