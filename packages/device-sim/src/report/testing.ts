import { invariantNames } from '../invariants/invariant.ts'
import { type LatencyBuckets, percentilesOf } from '../measure/latency.ts'
import type { LatencyName } from '../observations.ts'
import { createRandom } from '../random.ts'
import { type Counts, noCounts } from '../worker/messages.ts'
import type { RunReport, TimelinePoint } from './run-report.ts'

export interface Setting {
  seed?: number
  minutes?: number
  devices?: number
  /** Times are so many times as long. */
  slower?: number
  failed?: boolean
  /** Put into every place where a report holds text from outside. */
  text?: string
}

const startedAt = Date.UTC(2026, 10, 26, 9, 30)
const yamlOf = (devices: number, text: string) => `name: working-day
title: A working day
description: |
  A fleet boots, works, loses its connections, and renews its certificates. ${text}
seed: 7
devices:
  sensor:
    count: ${devices}
    keys: {p256: 8, rsa2048: 2}
    telemetry:
      - topic: telemetry/environment
        every: 10s
        payload: {shape: environment}
phases:
  - {do: boot, over: 60s}
  - {do: steady, for: 3m}
  - {do: storm, within: 90s}
  - {do: renew, over: 2m}
slos:
  publish: {p99: 250ms}
`

const statements = [
  'Every device that lives within the rules ends at work, or can get there by itself.',
  'No device has two active certificates, but while it renews.',
  'Every acknowledged message is stored once, or its copies are marked as such.',
  'Nothing is accepted from a device after the receipt of its revocation.',
  'No topic outside of the policy is accepted or delivered.',
  'Every refusal can be found by the operator, with what to do about it.',
  'When all has ended no session, socket or file is left.',
]

/** A run as it might have been: the same seed, the same report. */
export function buildReport(setting: Setting = {}): RunReport {
  const { seed = 7, minutes = 10, devices = 10_000, slower = 1, failed = false, text = '' } = setting
  const spanMs = minutes * 60_000
  const random = createRandom('report', seed)
  const latencies = latenciesOf(random, devices, slower)
  const timeline = timelineOf(random, spanMs, devices, slower)
  const totals = timeline.at(-1)?.counts ?? countsOf({})
  const [cpus, memoryBytes, node] = [2, 24 * 1_024 ** 3, 'v24.21.0']
  return {
    version: 1,
    run: `r-${seed}f3a${text}`,
    scenario: { name: `working-day${text}`, title: `A working day${text}`, seed, devices, yaml: yamlOf(devices, text) },
    startedAt,
    elapsedMs: spanMs,
    machine: { cpus, memoryBytes, node, model: `AMD EPYC 7B13${text}`, os: `Linux 6.1 x64${text}` },
    platform: { url: `https://localhost:8443${text}`, version: `0.1.0${text}` },
    ...(text && { skipped: [`the faults of sensor ${text}`] }),
    ...{ timeline, totals, latencies },
    phases: phasesOf(spanMs, failed, text),
    reasons: [
      { reason: `enrol:claim-expired${text}`, count: Math.round(devices / 50), expected: true },
      { reason: `publish:topic-not-granted${text}`, count: 412, expected: true },
      { reason: 'connect:device-revoked', count: Math.round(devices / 20), expected: true },
      ...(failed ? [{ reason: `connect:ECONNRESET${text}`, count: 37, expected: false }] : []),
    ],
    invariants: invariantsOf(devices, totals.acknowledged, failed, text),
    slos: slosOf(latencies.publish?.percentiles.p99 ?? 0, failed, text),
    processes: processesOf(spanMs, devices, text),
    ends: endsOf(devices, failed),
    verdict: {
      passed: !failed,
      reasons: failed
        ? [`The invariant no-bricked-device was violated 3 times. ${text}`, 'The limit recovered was not met.']
        : [],
    },
  }
}

function phasesOf(spanMs: number, failed: boolean, text: string): RunReport['phases'] {
  const phase = (name: string, from: number, to: number) => ({
    name: `${name}${text}`,
    startedAt: startedAt + spanMs * from,
    endedAt: startedAt + spanMs * to,
  })
  const planned = [
    phase('boot', 0, 0.15),
    phase('steady', 0.15, 0.5),
    phase('storm', 0.5, 0.65),
    phase('renew', 0.65, 0.9),
  ]
  return failed
    ? [...planned, { ...phase('revoke', 0.9, 1), problem: `12 devices were not back in time ${text}` }]
    : planned
}

function invariantsOf(devices: number, acknowledged: number, failed: boolean, text: string): RunReport['invariants'] {
  const examples = [4, 17, 902].map((n) => ({
    device: `sim-sensor-0${n}${text}`,
    at: startedAt + n * 300,
    what: `certificate without its key, and a claim that is used up ${text}`,
  }))
  return invariantNames.map((name, index) => ({
    name,
    statement: `${statements[index]}${text}`,
    checked: index === 2 ? acknowledged : devices,
    ...(failed && index === 0 ? { held: false, violations: 3, examples } : { held: true, violations: 0, examples: [] }),
  }))
}

function slosOf(publishMs: number, failed: boolean, text: string): RunReport['slos'] {
  const limit = { latency: 'publish', percentile: 'p99', ms: 250 } as const
  const found = `${publishMs.toFixed(0)} ms${text}`
  const back = failed ? '99.7 % within 90 s' : '100 % within 41 s'
  return [
    { name: `publish p99${text}`, wanted: '≤ 250 ms', found, met: publishMs <= limit.ms, limit },
    { name: 'recovered', wanted: '100 % within 90 s', found: back, met: !failed },
  ]
}

/** Log-normal, as times of servers are, with a few that had to wait for a retry. */
function bucketsOf(random: () => number, count: number, medianMs: number): LatencyBuckets {
  const counts = new Map<number, number>()
  const samples = Math.min(count, 4_000)
  for (let index = 0; index < samples; index++) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const ms = medianMs * Math.exp(normal * 0.5) * (random() < 0.006 ? 8 : 1)
    const bucket = Math.round(Math.log(ms * 1_000) / Math.log(1.04))
    counts.set(bucket, (counts.get(bucket) ?? 0) + Math.max(1, Math.round(count / samples)))
  }
  return [...counts].sort(([a], [b]) => a - b)
}

const medians: [LatencyName, ms: number, perDevice: number][] = [
  ['enrol', 180, 1],
  ['connect', 42, 1],
  ['resume', 12, 1],
  ['publish', 18, 50],
  ['renew', 95, 1],
  ['revoke', 320, 0.05],
]

function latenciesOf(random: () => number, devices: number, slower: number): RunReport['latencies'] {
  return Object.fromEntries(
    medians.map(([name, ms, perDevice]) => {
      const buckets = bucketsOf(random, Math.ceil(devices * perDevice), ms * slower)
      return [name, { percentiles: percentilesOf(buckets), buckets }]
    }),
  )
}

function timelineOf(random: () => number, spanMs: number, devices: number, slower: number): TimelinePoint[] {
  const counts = countsOf({})
  const errors = { expected: 0, unexpected: 0 }
  return Array.from({ length: Math.floor(spanMs / 1_000) }, (_, second) => {
    const share = (second * 1_000) / spanMs
    const storm = share >= 0.5 && share < 0.65
    const before = counts.connected
    const booted = Math.min(1, share / 0.13)
    counts.started = Math.round(devices * booted)
    counts.enrolled = Math.round(devices * 0.98 * booted)
    counts.connected = Math.round(counts.enrolled * (storm ? Math.min(1, Math.max(0, (share - 0.51) / 0.06)) : 1))
    counts.connections += Math.max(0, counts.connected - before)
    if (storm) counts.resumed += Math.max(0, counts.connected - before)
    const messages = Math.round((counts.connected / 10) * (0.95 + random() / 10))
    counts.published += messages
    counts.acknowledged += messages
    counts.received += Math.round(messages / 40)
    if (share > 0.65 && share < 0.9) counts.renewals += Math.round(devices / (spanMs / 4_000))
    errors.expected += random() < 0.3 ? Math.round(devices / 4_000) + 1 : 0
    const point = (name: LatencyName, ms: number, count: number) => {
      const wide = ms * slower * (storm ? 2.5 : 1) * (0.9 + random() * 0.2)
      return { [name]: { count, p50: wide, p90: wide * 2.1, p99: wide * (3.2 + random() * 2), max: wide * 7 } }
    }
    return {
      at: startedAt + second * 1_000,
      counts: { ...counts },
      errors: { ...errors },
      latencies: {
        ...(share < 0.13 && { ...point('enrol', 180, 10), ...point('connect', 42, 10) }),
        ...(storm && counts.connected < counts.enrolled && point('resume', 12, 100)),
        ...(messages > 0 && point('publish', 18, messages)),
        ...(share > 0.65 && share < 0.9 && point('renew', 95, 20)),
        ...(share > 0.9 && random() < 0.3 && point('revoke', 320, 2)),
      },
    }
  })
}

function processesOf(spanMs: number, devices: number, text: string): RunReport['processes'] {
  const worker = (n: number) => ({
    name: `worker ${n}${text}`,
    pid: 4_100 + n,
    host: `bench-1${text}`,
    cpuMs: spanMs * 0.4,
    rssPeakBytes: 210 * 1_024 ** 2 + devices * 21_000,
    perDeviceBytes: 43_600,
  })
  return [
    worker(1),
    worker(2),
    { name: 'coordinator', pid: 4_100, host: 'bench-1', cpuMs: spanMs * 0.05, rssPeakBytes: 140 * 1_024 ** 2 },
    { name: 'broker', pid: 3_071, host: 'bench-1', cpuMs: spanMs * 0.6, rssPeakBytes: 900 * 1_024 ** 2 },
    { name: 'provisioner', pid: 3_066, host: 'bench-1', cpuMs: spanMs * 0.22, rssPeakBytes: 310 * 1_024 ** 2 },
  ]
}

function endsOf(devices: number, failed: boolean): RunReport['ends'] {
  const [refused, off, stuck] = [Math.round(devices / 20), Math.round(devices / 100), failed ? 3 : 0]
  return { working: devices - refused - off - stuck, refused, off, stuck }
}

export const countsOf = (counts: Partial<Counts>): Counts => ({ ...noCounts, ...counts })
