import { setTimeout as sleep } from 'node:timers/promises'
import type { Emit, FleetEvent } from './events.ts'
import { createPlanner } from './plan-device.ts'
import { playDevice } from './play-device.ts'
import { setStage } from './set-stage.ts'
import { type FleetOptions, listPositions, parseSettings } from './settings.ts'
import type { Summary } from './summary.ts'

const progressMs = 1_000

/**
 * Starts the devices one after another and lets them live until `signal`, `durationMs`, or all of them were refused.
 * Each has said goodbye when it resolves.
 */
export async function runFleet({ signal, onEvent, ...options }: FleetOptions): Promise<Summary> {
  const settings = parseSettings(options)
  const emit: Emit = (event) => onEvent?.({ at: Date.now(), ...event } as FleetEvent)
  const broken = new AbortController()
  const fail = (error: unknown) => broken.abort(error)
  const ends = [broken.signal]
  if (signal) ends.push(signal)
  if (settings.durationMs !== undefined) ends.push(AbortSignal.timeout(settings.durationMs))
  const ending = AbortSignal.any(ends)
  const stage = setStage(settings, { emit, fail, signal: ending })
  const { tally, world } = stage

  const progress = () => emit({ type: 'progress', counts: tally.counts() })
  const ticking = setInterval(progress, progressMs)
  const plan = createPlanner(settings)
  const lives: Promise<void>[] = []
  for await (const index of rampUp(listPositions(settings), settings.ramp, ending))
    lives.push(playDevice(plan(index), stage).catch(fail))
  await Promise.all(lives)
  clearInterval(ticking)
  world.scheduler.clear()
  if (broken.signal.aborted) throw broken.signal.reason

  progress()
  const summary = tally.summarise()
  emit({ type: 'summary', summary })
  return summary
}

async function* rampUp(positions: readonly number[], perSecond: number, signal: AbortSignal): AsyncGenerator<number> {
  const startedAt = performance.now()
  for (const [order, position] of positions.entries()) {
    const waitMs = startedAt + (order * 1_000) / perSecond - performance.now()
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    yield position
  }
}
