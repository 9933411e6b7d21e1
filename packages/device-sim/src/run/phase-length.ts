import type { Phase } from '../scenario/phase.ts'

/** Milliseconds until the last turn of a phase; then it is waited until each device is done. */
export function phaseLength(phase: Phase): number {
  if (phase.do === 'storm') return phase.offline
  if (phase.do === 'firmware') return phase.over + phase.off
  return 'for' in phase ? phase.for : phase.over
}

/** How much longer it may take, at most. */
export const phasePatience = (phase: Phase): number => ('within' in phase ? phase.within : 0)

/** Whether it ends by the clock alone, so that its progress is known. */
export const isTimed = (phase: Phase): boolean => 'for' in phase
