import type { FaultKind, Step } from './scenario/fault.ts'

export const latencies = ['enrol', 'connect', 'resume', 'publish', 'renew', 'command', 'revoke'] as const
export type LatencyName = (typeof latencies)[number]

/**
 * What devices saw that an invariant is judged by. `at`: epoch milliseconds of the simulator's machine, whatever the
 * device's own clock says. One per event of a device's life, never one per message: those come as ranges.
 */
export type Observation = { device: string; at: number } /** A certificate was stored, and is the device's now. */ & (
  | { saw: 'certificate'; serial: string; notAfter: number; by: 'enrol' | 'renew'; attacker?: boolean }
  /** `attacker`: not the device itself, but somebody who plays it (a clone, a thief, another board). */
  | { saw: 'connected'; serial: string; resumed: boolean; attacker?: boolean /** When it set out. */; begunAt?: number }
  /** `reasonCode`: of the DISCONNECT, if the broker sent one. */
  | { saw: 'closed'; serial: string; reasonCode?: number; byUs: boolean; attacker?: boolean }
  /** The platform said no. `code`: Muster's, or `0x87` where only that was said. */
  | { saw: 'refused'; doing: 'enrol' | 'renew' | 'connect' | 'publish' | 'subscribe'; code: string; attacker?: boolean }
  /** Messages `from` to `to` (both included) of a stream were acknowledged; `at` is the last one's time. */
  | { saw: 'acknowledged'; topic: string; from: number; to: number }
  /** A QoS 1 or 2 message was sent more than once: its acknowledgement did not come in time. */
  | { saw: 'sent-again'; topic: string; n: number }
  /** The last number that was given to a message of this stream: with its end, and before. */
  | { saw: 'sent'; topic: string; last: number }
  /** A message came although the operator has told that the device is revoked. */
  | { saw: 'heard-revoked'; topic: string; attacker?: boolean }
  /** It tried what its policy does not grant. */
  | { saw: 'trespass'; doing: 'publish' | 'subscribe'; topic: string; accepted: boolean }
  /** A message on a topic that it may not hear, or that is another's. */
  | { saw: 'overheard'; topic: string }
  /** A fault was played, so that what follows is expected. */
  | { saw: 'fault'; fault: FaultKind; step?: Step }
  /** The end of its life in the simulation. `stuck`: it should be at work, and cannot get there. */
  | { saw: 'end'; state: 'working' | 'refused' | 'off' | 'stuck'; code?: string; serial?: string }
)
