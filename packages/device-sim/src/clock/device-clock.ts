import type { DevicePlan } from '../plan/device-plan.ts'

/** What a device takes for the time. */
export interface SimulatedClock {
  /** At every power-on. */
  boot(): void
  /** Epoch milliseconds. */
  now(): number
}

/** Undefined where the device has the right time: that of the machine. */
export function createClock({ skewMs, driftPpm, bootsAt }: DevicePlan['clock']): SimulatedClock | undefined {
  if (skewMs === 0 && driftPpm === 0 && bootsAt === undefined) return undefined
  const rate = 1 + driftPpm / 1_000_000
  let startedAt = performance.now()
  let shown = bootsAt ?? Date.now() + skewMs
  return {
    boot() {
      // With a battery it goes on while the device is off.
      if (bootsAt === undefined) return
      startedAt = performance.now()
      shown = bootsAt
    },
    now: () => Math.round(shown + (performance.now() - startedAt) * rate),
  }
}
