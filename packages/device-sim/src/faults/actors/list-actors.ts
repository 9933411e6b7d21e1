import { MusterError } from '@muster/contracts'
import type { PlannedFault } from '../../plan/device-plan.ts'
import type { Actor } from '../actor.ts'
import type { Equipment } from '../equipment.ts'
import { PowerCut } from '../power-cut.ts'
import { playClone } from './clone.ts'
import { playHammer } from './hammer.ts'
import { playMalformed } from './malformed.ts'
import { playSecondBoard } from './second-board.ts'
import { playSlow } from './slow.ts'
import { playThief } from './steal-claim.ts'
import { playTrespasser } from './trespass.ts'
import { playForger } from './wrong-ca.ts'

/** Who makes trouble in the name of a device, and from when on. */
export function listActors(faults: readonly PlannedFault[]): Equipment['actors'] {
  return faults.flatMap((fault): Equipment['actors'] => {
    if (fault.do === 'boot-twice') return [{ at: 'boot', act: playSecondBoard }]
    const act = actorOf(fault)
    return act ? [{ at: 'connected', act: unlessItFails(act) }] : []
  })
}

function actorOf(fault: PlannedFault): Actor | undefined {
  if (fault.do === 'clone') return playClone(fault)
  if (fault.do === 'steal-claim') return playThief(fault)
  if (fault.do === 'hammer') return playHammer(fault)
  if (fault.do === 'trespass') return playTrespasser(fault)
  if (fault.do === 'malformed') return playMalformed(fault)
  if (fault.do === 'slow') return playSlow(fault)
  if (fault.do === 'wrong-ca') return playForger(fault)
  return undefined
}

/** The device may be off, or without a certificate, when its actor wants to borrow that. */
function unlessItFails(act: Actor): Actor {
  return async (context) => {
    try {
      await act(context)
    } catch (error) {
      if (!context.signal.aborted && !(error instanceof PowerCut) && !(error instanceof MusterError)) throw error
    }
  }
}
