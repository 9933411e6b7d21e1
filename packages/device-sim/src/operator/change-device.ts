import { ChangedDevice } from '@muster/contracts'
import { devicePath } from './device-path.ts'
import type { OperatorApi } from './operator-api.ts'
import { patiently } from './patiently.ts'

/** Suspends, resumes or retires. @returns when the API had answered, epoch milliseconds */
export async function changeDevice(
  operator: OperatorApi,
  fleet: string,
  device: string,
  action: 'suspend' | 'resume' | 'retire',
  signal: AbortSignal,
): Promise<number> {
  await patiently(signal, () => operator.post(`${devicePath(device)}/${action}`, undefined, ChangedDevice, { fleet }))
  return Date.now()
}
