import type { Context } from '../context.ts'
import { changeDevice, type DeviceTarget } from './transition.ts'

/** Its next request is answered with a certificate. */
export const approveDevice = (ctx: Context, target: DeviceTarget) => changeDevice(ctx, target, { action: 'approve' })
