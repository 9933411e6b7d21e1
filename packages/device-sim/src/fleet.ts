import { setTimeout as sleep } from 'node:timers/promises'
import { type LifeContext, simulateDevice } from './device/simulate-device.ts'
import type { Emit, FleetEvent } from './events.ts'
import { createLimit } from './limit.ts'
import { type FleetOptions, listPositions, parseSettings } from './options.ts'
import { createStatistics, type Summary } from './statistics.ts'

/** Enrolments at once: making keys and TLS handshakes is what costs. */
const concurrentEnrolments = 16
const progressMs = 1_000

/**
 * Starts the devices one after another and lets them live until `signal`, `durationMs`, or all of them were refused.
 * All connections are closed when it resolves.
 */
export async function runFleet({ signal, onEvent, ...options }: FleetOptions): Promise<Summary> {
  const settings = parseSettings(options)
  const statistics = createStatistics()
  const emit: Emit = (event) => onEvent?.({ at: Date.now(), ...event } as FleetEvent)
  const broken = new AbortController()
  const ends = [broken.signal]
  if (signal) ends.push(signal)
  if (settings.durationMs !== undefined) ends.push(AbortSignal.timeout(settings.durationMs))
  const ending = AbortSignal.any(ends)
  const context: LifeContext = {
    settings,
    statistics,
    emit,
    signal: ending,
    whenFree: createLimit(concurrentEnrolments),
  }

  const progress = () => emit({ type: 'progress', counts: { ...statistics.counts } })
  const ticking = setInterval(progress, progressMs)
  const lives: Promise<void>[] = []
  for await (const index of rampUp(listPositions(settings), settings.ramp, ending))
    lives.push(simulateDevice(index, context).catch((error: unknown) => broken.abort(error)))
  await Promise.all(lives)
  clearInterval(ticking)
  if (broken.signal.aborted) throw broken.signal.reason

  progress()
  const summary = statistics.summarise(settings.devices, settings.seed)
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
