import { expect, test } from 'vitest'
import { type DeviceAction, type DeviceState, deviceActions, deviceStates, nextState } from './device-state.ts'
import { MusterError } from './errors.ts'

const table: Record<DeviceAction, Partial<Record<DeviceState, DeviceState>>> = {
  approve: { pending: 'active' },
  reject: { pending: 'rejected' },
  suspend: { active: 'suspended' },
  resume: { suspended: 'active' },
  revoke: { active: 'revoked', suspended: 'revoked' },
  retire: { pending: 'retired', active: 'retired', suspended: 'retired', revoked: 'retired', rejected: 'retired' },
}

const cases = deviceActions.flatMap((action) =>
  deviceStates.map((state) => [state, action, table[action][state]] as const),
)

test.each(cases)('%s, %s -> %s', (state, action, expected) => {
  let result: DeviceState | undefined
  try {
    result = nextState(state, action)
  } catch (error) {
    expect(error).toBeInstanceOf(MusterError)
    expect(error).toMatchObject({ code: 'transition-not-allowed' })
  }
  expect(result).toBe(expected)
})
