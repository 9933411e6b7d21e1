import type { DialTarget } from '@muster/device'
import type { Wiretap } from '../network/line.ts'
import type { PlannedFault } from '../plan/device-plan.ts'
import type { Step } from '../scenario/fault.ts'
import type { Seen } from './equipment.ts'
import { tapExchange, tapFirstContact } from './tap-exchange.ts'

interface Happenings {
  observe(seen: Seen): void
  /** The power may go after it. */
  pass(step: Step): void
}

const sentSteps = { enrol: 'enrol-sent', renew: 'renewal-sent' } as const

/** What goes wrong with the requests of a device: answers are lost, the power goes while it waits for one. */
export function createTaps(
  faults: readonly PlannedFault[],
  { observe, pass }: Happenings,
): (target: DialTarget) => Wiretap | undefined {
  const left = { enrol: 0, renew: 0 }
  for (const fault of faults) if (fault.do === 'lose-answer') left[fault.to] += fault.times
  const exchangeOf = (purpose: 'enrol' | 'renew') => {
    const step = sentSteps[purpose]
    const onLost = () => {
      left[purpose] -= 1
      observe({ saw: 'fault', fault: 'lose-answer', step })
    }
    return { onSent: () => pass(step), onLost: left[purpose] > 0 ? onLost : undefined }
  }
  return ({ purpose }) => {
    // The claim goes where the root came from, mostly.
    if (purpose === 'bootstrap') return tapFirstContact(() => pass('root-fetched'), exchangeOf('enrol'))
    return purpose === 'enrol' || purpose === 'renew' ? tapExchange(exchangeOf(purpose)) : undefined
  }
}
