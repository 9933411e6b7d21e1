import { Device, type ProfileName } from '@muster/contracts'
import { createLimit } from '../limit.ts'
import { changeDevice } from './change-device.ts'
import type { OperatorApi } from './operator-api.ts'
import { isRefusal, patiently } from './patiently.ts'

const concurrent = 4

interface Leavings {
  operator: OperatorApi
  fleet: string
  prefix: string
  claims: readonly string[]
  /** Of what has a certificate: what the run itself works with goes last. */
  profiles: readonly ProfileName[]
  signal: AbortSignal
}

/** Takes back what the run has made: claims are withdrawn, devices retired, so that their names are free. */
export async function cleanUp({ operator, fleet, prefix, claims, profiles, signal }: Leavings): Promise<void> {
  const whenFree = createLimit(concurrent)
  const all = (tasks: (() => Promise<unknown>)[]) =>
    Promise.all(tasks.map((task) => whenFree(() => unlessRefused(task))))
  await all(claims.map((id) => () => patiently(signal, () => operator.remove(`/v1/claims/${id}`, { fleet }))))
  const devices = await patiently(signal, () => operator.list('/v1/devices', Device, { fleet, prefix: `${prefix}-` }))
  const ours = devices.filter(({ state, profile }) => state !== 'retired' && profiles.includes(profile))
  await all(
    ours.map(
      ({ id }) =>
        () =>
          changeDevice(operator, fleet, id, 'retire', signal),
    ),
  )
}

/** A claim that is used up may be gone already. */
async function unlessRefused(task: () => Promise<unknown>): Promise<void> {
  try {
    await task()
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
}
