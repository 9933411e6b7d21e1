import { type Device, MusterError } from '@muster/contracts'
import { devices } from '@muster/db'
import type { Context } from '../context.ts'
import { presentFoundDevice } from './present.ts'
import { type DeviceTarget, isDevice } from './transition.ts'

export async function findDevice({ db }: Pick<Context, 'db'>, target: DeviceTarget): Promise<Device> {
  const [row] = await db.select().from(devices).where(isDevice(target))
  if (!row) throw new MusterError('device-not-found', `fleet ${target.fleet} has no device ${target.id}`)
  return presentFoundDevice(db, row)
}
