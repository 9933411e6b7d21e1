import type { DevicePlan } from '../plan/device-plan.ts'
import type { FaultKind } from '../scenario/fault.ts'
import type { Doing } from './equipment.ts'

type Explains = (doing: Doing, code: string) => boolean

const otherKey = ['claim-key-mismatch', 'claim-exhausted', 'device-taken']
const silence = ['unavailable', 'timeout', 'closed', 'ECONNRESET']
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

/** Whether something that has happened to the device explains what it hears. */
export function expectsOf(plan: DevicePlan, played: ReadonlySet<FaultKind>): Explains {
  const { network, store } = plan.class
  const isCutOff = network.disconnectEvery !== undefined || (network.loss ?? 0) > 0
  const { skewMs, bootsAt } = plan.clock
  return (doing, code) => {
    if (isCutOff && silence.includes(code)) return true
    if ((skewMs !== 0 || bootsAt !== undefined) && ended.includes(code)) return true
    if (store === 'memory' && played.has('cut-power') && otherKeyRefused(doing, code)) return true
    return [...played].some((kind) => consequences[kind]?.(doing, code))
  }
}
