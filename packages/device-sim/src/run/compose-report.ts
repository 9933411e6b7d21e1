import { hostname } from 'node:os'
import type { InvariantVerdict } from '../invariants/invariant.ts'
import { type RunReport, reportVersion } from '../report/run-report.ts'
import type { Scenario } from '../scenario/schema.ts'
import { describeMachine } from './describe-machine.ts'
import type { Following } from './follow-devices.ts'
import { judgeRun } from './judge-run.ts'
import { judgeSlos } from './judge-slos.ts'
import type { Tally } from './tally.ts'

interface Played {
  run: string
  scenario: Scenario
  yaml: string
  devices: number
  startedAt: number
  /** What follows is clearing up. */
  endedAt: number
  url: string
  phases: RunReport['phases']
  problems: readonly string[]
  tally: Tally
  following: Following
  invariants: InvariantVerdict[]
  skipped: readonly string[]
  workers: readonly PlayedWorker[]
  /** The platform's processes. */
  others: RunReport['processes']
}

interface PlayedWorker {
  name: string
  pid: number
  host: string
  /** Before there was any device. */
  rssBytes: number
  devices: number
}

export function composeReport(played: Played): RunReport {
  const { run, scenario, yaml, devices, startedAt, url, phases, problems, tally, following, invariants } = played
  const latencies = tally.latencies()
  const reasons = tally.reasons()
  const slos = judgeSlos(scenario.slos, { latencies, reasons, devices, recoveries: following.recoveries() })
  const processes = listProcesses(played)
  const { memoryPerDevice } = scenario
  const { ends } = following
  return {
    version: reportVersion,
    run,
    scenario: { name: scenario.name, title: scenario.title, seed: scenario.seed, devices, yaml },
    startedAt,
    elapsedMs: played.endedAt - startedAt,
    machine: describeMachine(),
    platform: { url },
    ...(played.skipped.length > 0 && { skipped: [...played.skipped] }),
    phases,
    timeline: [...tally.timeline],
    totals: tally.counts(),
    ...{ latencies, reasons, invariants, slos, processes, ends },
    verdict: judgeRun({ invariants, slos, phases, processes, problems, memoryPerDevice }),
  }
}

function listProcesses({ tally, workers, others }: Played): RunReport['processes'] {
  const own = process.resourceUsage()
  const coordinator = {
    ...{ name: 'coordinator', pid: process.pid, host: hostname() },
    cpuMs: (own.userCPUTime + own.systemCPUTime) / 1_000,
    rssPeakBytes: own.maxRSS * 1_024,
  }
  const all = workers.map(({ name, pid, host, rssBytes, devices }) => {
    const { cpuMs = 0, rssPeakBytes = 0 } = tally.usages.get(name) ?? {}
    const perDeviceBytes = devices > 0 ? Math.max(0, Math.round((rssPeakBytes - rssBytes) / devices)) : 0
    return { name: `worker ${name}`, pid, host, cpuMs, rssPeakBytes, perDeviceBytes }
  })
  return [...others, ...all, coordinator]
}
