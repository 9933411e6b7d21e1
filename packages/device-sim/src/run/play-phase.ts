import { rotateIssuer } from '../operator/rotate-issuer.ts'
import { planDevice } from '../plan/plan-device.ts'
import { planTurns } from '../plan/plan-turns.ts'
import type { RunReport } from '../report/run-report.ts'
import { act, sleepUntil } from './act.ts'
import type { RunContext } from './context.ts'
import { phaseLength, phasePatience } from './phase-length.ts'

/** Until the zero of a phase: all workers have the order by then. */
const leadMs = 250
/** After which a worker that is still not through has gone wrong itself. */
const graceMs = 30_000

type PhaseRecord = RunReport['phases'][number]

/** Plays one phase, in step on all workers. @throws the reason of `signal`, or of the worker that failed */
export async function playPhase(
  run: RunContext,
  record: PhaseRecord,
  index: number,
  signal: AbortSignal,
): Promise<void> {
  const phase = run.scenario.phases[index]
  if (!phase) throw new RangeError(`there is no phase ${index}`)
  const ending = AbortSignal.any([signal, run.crew.failure])
  try {
    if (phase.do === 'rotate' && run.platform) {
      const { operator } = run.platform
      await rotateIssuer(operator, `${run.prefix}-${index + 1}`, phase.over + phase.within, ending)
    }
    const zero = Date.now() + leadMs
    run.crew.broadcast({ order: 'phase', index, in: leadMs })
    if (phase.do === 'storm') {
      const devices = planTurns(run.scenario, index).map(
        (turn) => planDevice(run.scenario, run.prefix, turn.index).device,
      )
      run.following.expectReturn(index, devices, zero + phase.offline, run.scenario.slos.recovered?.share ?? 1)
    }
    const late = new AbortController()
    const length = phaseLength(phase) + phasePatience(phase)
    const watch = setTimeout(() => late.abort(), leadMs + length + graceMs)
    try {
      const done = run.crew.phaseDone(index, AbortSignal.any([ending, late.signal]))
      const all = Promise.all([done, act(run, index, zero, ending), sleepUntil(zero + phaseLength(phase), ending)])
      await all.catch((error) => {
        if (ending.aborted || !late.signal.aborted) throw error
        record.problem = `not through in time: ${run.crew.lagging(index).join(', ')}`
      })
    } finally {
      clearTimeout(watch)
    }
  } catch (error) {
    record.problem = signal.aborted ? 'interrupted' : error instanceof Error ? error.message : String(error)
    throw error
  } finally {
    record.endedAt = Date.now()
  }
}
