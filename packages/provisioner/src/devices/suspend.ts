import type { Context } from '../context.ts'
import { changeDevice, type DeviceTarget } from './transition.ts'

/** Out until resumed; its certificates stay as they are. */
export const suspendDevice = (ctx: Context, target: DeviceTarget) =>
  changeDevice(ctx, target, { action: 'suspend', change: 'suspend' })
