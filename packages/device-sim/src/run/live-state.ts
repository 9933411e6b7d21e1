import type { InvariantVerdict } from '../invariants/invariant.ts'
import { countDevices } from '../plan/fleet-layout.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { LiveState } from './live.ts'
import { isTimed, phaseLength } from './phase-length.ts'
import type { Tally } from './tally.ts'

interface Now {
  scenario: Scenario
  tally: Tally
  startedAt: number
  phase: { index: number; startedAt: number }
  invariants: InvariantVerdict[]
}

export function describeNow({ scenario, tally, startedAt, phase: at, invariants }: Now): LiveState {
  const now = Date.now()
  const phase = scenario.phases[at.index]
  const elapsedMs = now - at.startedAt
  const length = phase && isTimed(phase) ? phaseLength(phase) : 0
  return {
    scenario: scenario.name,
    devices: countDevices(scenario),
    elapsedMs: now - startedAt,
    phase: {
      index: at.index,
      count: scenario.phases.length,
      name: phase?.do ?? '',
      elapsedMs,
      progress: length > 0 ? Math.min(1, elapsedMs / length) : undefined,
    },
    counts: tally.counts(),
    rates: tally.rates(),
    latencies: tally.recentLatencies(),
    reasons: tally.reasons(),
    invariants,
    workers: [...tally.usages].map(([name, { cpuShare, rssBytes }]) => ({ name, cpuShare, rssBytes })),
  }
}
