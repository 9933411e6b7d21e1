import { type LatencyName, latencies } from '../observations.ts'
import type { RunReport } from '../report/run-report.ts'
import { countErrors } from '../report/verdict-words.ts'
import type { Slos } from '../scenario/schema.ts'

type Slo = RunReport['slos'][number]
const percentileNames = ['p50', 'p90', 'p99', 'max'] as const

/** After a storm: how many came back, and when the wanted share of them was there. */
export interface Recovery {
  phase: number
  wanted: number
  back: number
  /** Since they might come back; undefined where so many never did. */
  afterMs: number | undefined
}

interface Found extends Pick<RunReport, 'latencies' | 'reasons'> {
  recoveries: readonly Recovery[]
  devices: number
}

/** What was wanted and what was found. Where nothing was measured nothing is met: a run that shows nothing is no success. */
export function judgeSlos(slos: Slos, found: Found): Slo[] {
  return [
    ...latencies.flatMap((name) => judgeLatency(slos, name, found.latencies)),
    ...judgeRecoveries(slos, found.recoveries),
    judgeErrors(slos, found),
  ]
}

function judgeLatency(slos: Slos, latency: LatencyName, found: RunReport['latencies']): Slo[] {
  const wanted = slos[latency]
  const percentiles = found[latency]?.percentiles
  return percentileNames.flatMap((percentile) => {
    const ms = wanted?.[percentile]
    if (ms === undefined) return []
    const measured = percentiles && percentiles.count > 0 ? percentiles[percentile] : undefined
    return {
      name: `${latency} ${percentile}`,
      wanted: `≤ ${formatMs(ms)}`,
      found: measured === undefined ? 'nothing measured' : formatMs(measured),
      met: measured !== undefined && measured <= ms,
      limit: { latency, percentile, ms },
    }
  })
}

function judgeRecoveries({ recovered }: Slos, recoveries: readonly Recovery[]): Slo[] {
  if (!recovered) return []
  const wanted = `${Math.round(recovered.share * 100)} % within ${formatMs(recovered.within)}`
  if (recoveries.length === 0) return [{ name: 'recovered', wanted, found: 'there was no storm', met: false }]
  return recoveries.map(({ phase, wanted: all, back, afterMs }) => ({
    name: `recovered in phase ${phase + 1}`,
    wanted,
    found: afterMs === undefined ? `${back} of ${all} are back` : `after ${formatMs(afterMs)}`,
    met: afterMs !== undefined && afterMs <= recovered.within,
  }))
}

const namedReasons = 3

function judgeErrors({ errors: { unexpected } }: Slos, { reasons, devices }: Found): Slo {
  const most = typeof unexpected === 'number' ? unexpected : Math.floor(unexpected.share * devices)
  const count = countErrors(reasons, false)
  const named = reasons
    .filter((one) => !one.expected)
    .slice(0, namedReasons)
    .map(({ reason, count }) => `${count} × ${reason}`)
  const found = [count, ...(count > 0 ? [`(${named.join(', ')})`] : [])].join(' ')
  return { name: 'unexpected errors', wanted: `≤ ${most}`, found, met: count <= most }
}

function formatMs(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
}
