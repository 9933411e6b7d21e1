import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

/** A moment as it is written down, to be understood by a later process on the same machine. */
export interface Mark {
  /** Names the time since this machine started; without it a mark is worth nothing to a later process. */
  boot: string | undefined
  /** Milliseconds since the machine started: nobody sets that clock. */
  up: number
  /** Milliseconds since the epoch. */
  wall: number
  /** `now()` of the process that wrote it. */
  at: number
}

/** Time as freshness is measured by: it never goes back, and it goes on while the machine sleeps. */
export interface Clock {
  /** In milliseconds; from where on does not matter. */
  now(): number
  mark(at: number): Mark
  /** Milliseconds since a mark, by whichever clock says more; infinite where that cannot be told for certain. */
  since(mark: Mark): number
}

export interface ClockSources {
  boot(): string | undefined
  upMs(): number
  /** Does not count sleep everywhere. */
  steadyMs(): number
  wallMs(): number
}

// Clocks that are corrected now and then differ by so much without anybody having set them.
const toleranceMs = 1_000

const machine: ClockSources = {
  boot: readBootId,
  upMs: () => uptime() * 1_000,
  steadyMs: () => performance.now(),
  wallMs: () => Date.now(),
}

export function openClock(sources: ClockSources = machine): Clock {
  const boot = sources.boot()
  const start = { up: sources.upMs(), steady: sources.steadyMs(), wall: sources.wallMs() }
  /** By how much the wall clock has outrun the steady one: the machine slept, or somebody set it. */
  let outrun = 0

  function now() {
    const steady = sources.steadyMs() - start.steady
    outrun = Math.max(outrun, sources.wallMs() - start.wall - steady)
    return start.up + steady + outrun
  }

  return {
    now,
    mark(at) {
      const ago = now() - at
      return { boot, up: sources.upMs() - ago, wall: sources.wallMs() - ago, at }
    },
    since(mark) {
      if (boot === undefined || mark.boot !== boot) return Number.POSITIVE_INFINITY
      const [byUp, byWall] = [sources.upMs() - mark.up, sources.wallMs() - mark.wall]
      if (byUp < -toleranceMs || byWall < -toleranceMs) return Number.POSITIVE_INFINITY
      return Math.max(0, byUp, byWall)
    },
  }
}

function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return undefined
  }
}
