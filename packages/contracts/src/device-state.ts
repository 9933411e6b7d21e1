import { z } from 'zod'
import { MusterError } from './errors.ts'

/**
 * `pending` waits for an operator's approval; `suspended` may come back; `revoked` is compromised;
 * `retired` has left the fleet and gives its id free; `rejected` was refused approval.
 */
export const deviceStates = ['pending', 'active', 'suspended', 'revoked', 'retired', 'rejected'] as const
export const DeviceState = z.enum(deviceStates)
export type DeviceState = z.infer<typeof DeviceState>

export const deviceActions = ['approve', 'reject', 'suspend', 'resume', 'revoke', 'retire'] as const
export type DeviceAction = (typeof deviceActions)[number]

const transitions: Record<DeviceAction, { from: readonly DeviceState[]; to: DeviceState }> = {
  approve: { from: ['pending'], to: 'active' },
  reject: { from: ['pending'], to: 'rejected' },
  suspend: { from: ['active'], to: 'suspended' },
  resume: { from: ['suspended'], to: 'active' },
  revoke: { from: ['active', 'suspended'], to: 'revoked' },
  retire: { from: ['pending', 'active', 'suspended', 'revoked', 'rejected'], to: 'retired' },
}

/** The state after `action`. @throws MusterError `transition-not-allowed` */
export function nextState(state: DeviceState, action: DeviceAction): DeviceState {
  const { from, to } = transitions[action]
  if (!from.includes(state))
    throw new MusterError('transition-not-allowed', `a ${state} device cannot be ${pastTense[action]}`)
  return to
}

const pastTense: Record<DeviceAction, string> = {
  approve: 'approved',
  reject: 'rejected',
  suspend: 'suspended',
  resume: 'resumed',
  revoke: 'revoked',
  retire: 'retired',
}
