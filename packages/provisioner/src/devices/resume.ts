import type { Context } from '../context.ts'
import { changeDevice, type DeviceTarget } from './transition.ts'

/** Admitted again, with the certificate it has. */
export const resumeDevice = (ctx: Context, target: DeviceTarget) =>
  changeDevice(ctx, target, { action: 'resume', change: 'resume' })
