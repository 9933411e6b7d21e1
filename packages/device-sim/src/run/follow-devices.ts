import type { Observation } from '../observations.ts'
import type { RunReport } from '../report/run-report.ts'
import type { Recovery } from './judge-slos.ts'
import type { Tally } from './tally.ts'

interface Removal {
  /** When the API had answered. */
  askedAt: number | undefined
  closedAt: number | undefined
  done: boolean
}

interface Storm {
  phase: number
  /** From when on they may come back. */
  since: number
  share: number
  missing: Set<string>
  wanted: number
  afterMs: number | undefined
}

/** What the coordinator itself makes of observations: how long a revoked device stayed, when a storm was over, how devices ended. */
export function followDevices(tally: Tally) {
  const connected = new Set<string>()
  const removals = new Map<string, Removal>()
  const storms: Storm[] = []
  const ends: RunReport['ends'] = { working: 0, refused: 0, off: 0, stuck: 0 }

  function settle(removal: Removal): void {
    if (removal.done || removal.askedAt === undefined || removal.closedAt === undefined) return
    removal.done = true
    tally.record('revoke', Math.max(0, removal.closedAt - removal.askedAt))
  }

  function onConnected(device: string, at: number): void {
    connected.add(device)
    for (const storm of storms) {
      if (at < storm.since || !storm.missing.delete(device)) continue
      const back = storm.wanted - storm.missing.size
      if (storm.afterMs === undefined && back >= storm.wanted * storm.share) storm.afterMs = at - storm.since
    }
  }

  return {
    ends: ends as Readonly<RunReport['ends']>,
    isConnected: (device: string) => connected.has(device),

    observe(observation: Observation): void {
      if (observation.saw === 'end') ends[observation.state] += 1
      if ('attacker' in observation && observation.attacker) return
      if (observation.saw === 'connected') onConnected(observation.device, observation.at)
      if (observation.saw !== 'closed') return
      connected.delete(observation.device)
      const removal = removals.get(observation.device)
      if (!removal || removal.closedAt !== undefined) return
      removal.closedAt = observation.at
      settle(removal)
    },

    /** Just before the API is asked: the end of the connection may be seen before the answer is. */
    expectRemoval(device: string): void {
      if (connected.has(device)) removals.set(device, { askedAt: undefined, closedAt: undefined, done: false })
    },

    noteRemoval(device: string, askedAt: number): void {
      const removal = removals.get(device)
      if (!removal) return
      removal.askedAt = askedAt
      settle(removal)
    },

    /** All of `devices` that are connected now are waited for. */
    expectReturn(phase: number, devices: readonly string[], since: number, share: number): void {
      const missing = new Set(devices.filter((device) => connected.has(device)))
      storms.push({ phase, since, share, missing, wanted: missing.size, afterMs: undefined })
    },

    recoveries: (): Recovery[] =>
      storms.map(({ phase, wanted, missing, afterMs }) => ({ phase, wanted, back: wanted - missing.size, afterMs })),
  }
}

export type Following = ReturnType<typeof followDevices>
