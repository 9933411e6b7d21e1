import { Latency } from '../measure/latency.ts'
import type { LatencyName } from '../observations.ts'
import { type Counts, noCounts, type Tick } from './messages.ts'

/** What a worker counts of all its devices. */
export class Account {
  readonly counts: Counts = { ...noCounts }
  readonly #latencies = new Map<LatencyName, Latency>()
  readonly #reasons: Record<string, number> = {}
  readonly #expected: Record<string, number> = {}
  #cpu = process.cpuUsage()

  record(name: LatencyName, ms: number): void {
    const latency = this.#latencies.get(name) ?? new Latency()
    this.#latencies.set(name, latency)
    latency.record(ms)
  }

  /** A connection has been made; how long that took is not always known. */
  admit({ resumed, tookMs }: { resumed: boolean; tookMs: number | undefined }): void {
    this.counts.connections += 1
    this.counts.connected += 1
    if (resumed) this.counts.resumed += 1
    if (tookMs !== undefined) this.record(resumed ? 'resume' : 'connect', tookMs)
  }

  /** Something did not work; `expected`: a fault or the operator explains it. */
  note(doing: string, code: string, expected: boolean): void {
    const reason = `${doing}:${code}`
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1
    if (expected) this.#expected[reason] = (this.#expected[reason] ?? 0) + 1
  }

  /** Times start anew with each. */
  tick(): Tick {
    const { rss, heapUsed } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const latencies: Tick['latencies'] = {}
    for (const [name, latency] of this.#latencies) {
      const buckets = latency.take()
      if (buckets.length > 0) latencies[name] = buckets
    }
    return {
      at: Date.now(),
      counts: { ...this.counts },
      latencies,
      reasons: { ...this.#reasons },
      expected: { ...this.#expected },
      usage: {
        cpuMs: Math.round((user + system - this.#cpu.user - this.#cpu.system) / 1_000),
        rssBytes: rss,
        heapBytes: heapUsed,
      },
    }
  }
}
