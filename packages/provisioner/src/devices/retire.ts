import type { Context } from '../context.ts'
import { changeDevice, type DeviceTarget } from './transition.ts'

/** It has left the fleet: its certificates end, its name and key are free. */
export const retireDevice = (ctx: Context, target: DeviceTarget) =>
  changeDevice(ctx, target, { action: 'retire', change: 'retire', reason: 'cessationOfOperation' })
