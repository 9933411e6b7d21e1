import type { PlannedFault } from '../plan/device-plan.ts'
import type { Step } from '../scenario/fault.ts'

/** The device is off: whatever it was doing does not go on. */
export class PowerCut extends Error {
  constructor() {
    super('the power is off')
  }
}

/** Passed once in a device's life: at the next boot they are done already. */
const durable: readonly Step[] = ['key-stored', 'certificate-stored', 'next-stored']

/** Decides at which steps the power goes: answers for how long. */
export function createCuts(faults: readonly PlannedFault[]): (step: Step) => number | undefined {
  const cuts = faults.flatMap((fault) => (fault.do === 'cut-power' ? [{ ...fault, played: 0 }] : []))
  return (step) => {
    const due = cuts.find(
      ({ after, times, played }) =>
        played < times && (after === step || (played > 0 && step === 'boot' && isDurable(after))),
    )
    if (!due) return undefined
    due.played += 1
    return due.off
  }
}

function isDurable(after: Step | 'any'): boolean {
  return after !== 'any' && durable.includes(after)
}
