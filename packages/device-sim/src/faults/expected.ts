import type { DevicePlan, PlannedFault } from '../plan/device-plan.ts'
import type { Network } from '../scenario/device-class.ts'
import type { FaultKind } from '../scenario/fault.ts'
import type { Doing } from './equipment.ts'

type Explains = (doing: Doing, code: string) => boolean

const otherKey = ['claim-key-mismatch', 'claim-exhausted', 'device-taken']
const silence = ['unavailable', 'timeout', 'closed', 'closed before connack', 'econnreset', 'epipe']
const ended = ['certificate-expired', 'certificate-not-yet-valid', '0x87']
const otherKeyRefused: Explains = (doing, code) => doing === 'enrol' && otherKey.includes(code)
const unheard: Explains = (doing, code) => (doing === 'enrol' || doing === 'renew') && silence.includes(code)

/** What a device that this has happened to hears of it. */
const consequences: Partial<Record<FaultKind, Explains>> = {
  'lose-answer': unheard,
  'boot-twice': otherKeyRefused,
  'lose-keys': otherKeyRefused,
  'cut-power': unheard,
  shelf: (doing, code) =>
    doing === 'enrol' ? code.startsWith('claim-') : ended.includes(code) || silence.includes(code),
  clone: (doing, code) => doing === 'connect' && ['certificate-cloned', '0x8e', '0x87', ...silence].includes(code),
  malformed: (doing, code) => doing === 'connect' && ['0x81', '0x82', ...silence].includes(code),
  trespass: (doing, code) =>
    (doing === 'publish' || doing === 'subscribe') && ['0x87', 'publish-denied', 'subscribe-denied'].includes(code),
  // Somebody whose certificate is refused again and again is cut off without a word.
  hammer: (doing) => doing === 'connect',
}

/** Those after which the broker ends the connection itself, or still believes in the one before. */
const cutting: readonly FaultKind[] = ['cut-power', 'shelf', 'lose-keys', 'clone', 'trespass', 'malformed', 'slow']

/** Whether something that has happened to the device explains what it hears. */
export function expectsOf(plan: DevicePlan, played: ReadonlySet<FaultKind>): Explains {
  const { network, store } = plan.class
  const { skewMs, bootsAt } = plan.clock
  return (doing, code) => {
    if (isUnreliable(network) && silence.includes(code)) return true
    if ((skewMs !== 0 || bootsAt !== undefined) && ended.includes(code)) return true
    if (store === 'memory' && played.has('cut-power') && otherKeyRefused(doing, code)) return true
    return [...played].some((kind) => consequences[kind]?.(doing, code))
  }
}

/** Whether it is explained that a connection of the device ends. */
export const mayBeCutOff = ({ faults, class: { network } }: Pick<DevicePlan, 'faults' | 'class'>): boolean =>
  isUnreliable(network) || faults.some((fault) => cutting.includes(fault.do) || losesRenewal(fault))

/** Renewal then goes through the broker, over a connection that takes the place of the one that there is. */
const losesRenewal = (fault: PlannedFault) => fault.do === 'lose-answer' && fault.to === 'renew'

/** Whether it is explained that the device is not there. */
export const mayBeAbsent = (plan: Pick<DevicePlan, 'faults' | 'class'>): boolean =>
  plan.faults.length > 0 || isUnreliable(plan.class.network)

const isUnreliable = ({ disconnectEvery, loss = 0 }: Network): boolean => disconnectEvery !== undefined || loss > 0
