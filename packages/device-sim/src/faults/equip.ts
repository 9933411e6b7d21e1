import { PassThrough } from 'node:stream'
import type { Dial } from '@muster/device'
import { createClock } from '../clock/device-clock.ts'
import { createFlash } from '../flash/flash.ts'
import { createNetwork } from '../network/dial.ts'
import type { DevicePlan, PlannedFault } from '../plan/device-plan.ts'
import type { FaultKind, Step } from '../scenario/fault.ts'
import { listActors } from './actors/list-actors.ts'
import type { EquipContext, Equipment } from './equipment.ts'
import { expectsOf } from './expected.ts'
import { createCuts, PowerCut } from './power-cut.ts'
import { createTaps } from './wire-faults.ts'

/** A certificate that lives longer is not waited for: the run would be over. */
export const longestShelfMs = 900_000
const resetMs = 1_000
const marginMs = 2_000

/** All that happens to one device, as it was planned. */
export function equip(plan: DevicePlan, context: EquipContext): Equipment {
  const { faults } = plan
  const flash = createFlash()
  const clock = createClock(plan.clock)
  const cutAfter = createCuts(faults)
  const played = new Set<FaultKind>()
  let boots = 0
  let power = { isOn: false }

  const observe: EquipContext['observe'] = (seen) => {
    if (seen.saw === 'fault') played.add(seen.fault)
    context.observe(seen)
  }
  const goOff = (fault: FaultKind, step: Step, offMs: number) => {
    power.isOn = false
    observe({ saw: 'fault', fault, step })
    context.cut(offMs)
  }
  /** Answers whether the device is off now. */
  const pass = (step: Step): boolean => {
    const offMs = cutAfter(step)
    if (offMs !== undefined) {
      network?.goDark()
      goOff('cut-power', step, offMs)
    } else if (step === 'connected' && isDue('lose-keys')) {
      flash.wipe()
      goOff('lose-keys', step, resetMs)
    } else if (step === 'certificate-stored' && faults.some(isShelvedCertificate) && isDue('shelf')) {
      const leftMs = (flash.endOfCertificate() ?? Number.POSITIVE_INFINITY) - Date.now()
      if (leftMs <= longestShelfMs) goOff('shelf', step, leftMs + marginMs)
    }
    return !power.isOn
  }
  const isDue = (kind: FaultKind) => !played.has(kind) && faults.some((fault) => fault.do === kind)
  const network = needsNetwork(plan)
    ? createNetwork({
        network: plan.class.network,
        seed: [context.seed, 'network', plan.index],
        tap: createTaps(faults, { observe, pass }),
        signal: context.signal,
      })
    : undefined
  const dial: Dial = (target) => {
    if (target.purpose === 'enrol') pass('root-fetched')
    return power.isOn && network ? network.dial(target) : new PassThrough().destroy(new PowerCut())
  }

  const openStore = () => {
    const own = power
    const require = () => {
      if (!own.isOn) throw new PowerCut()
    }
    return flash.open({
      require,
      pass(step) {
        pass(step)
        require()
      },
    })
  }
  let store = openStore()
  return {
    boot() {
      power.isOn = false
      power = { isOn: true }
      if (plan.class.store === 'memory' && boots > 0) flash.wipe()
      boots += 1
      clock?.boot()
      store = openStore()
      if (faults.some(isShelvedClaim) && isDue('shelf')) observe({ saw: 'fault', fault: 'shelf', step: 'boot' })
    },
    get store() {
      return store
    },
    dial: network && dial,
    now: clock && (() => clock.now()),
    step(step) {
      if (pass(step)) throw new PowerCut()
    },
    calm: () => network?.calm(),
    expects: expectsOf(plan, played),
    actors: listActors(faults).map(({ at, act }) => ({ at, act: (actor) => act({ ...actor, observe }) })),
  }
}

const isShelvedClaim = (fault: PlannedFault) => fault.do === 'shelf' && fault.ended === 'claim'
const isShelvedCertificate = (fault: PlannedFault) => fault.do === 'shelf' && fault.ended === 'certificate'

function needsNetwork({ faults, class: { network } }: DevicePlan): boolean {
  const isOnTheWire = (fault: PlannedFault) => fault.do === 'lose-answer' || fault.do === 'cut-power'
  return Object.values(network).some((value) => value !== undefined) || faults.some(isOnTheWire)
}
