import type { Context } from '../context.ts'
import { changeDevice, type DeviceTarget } from './transition.ts'

/** It gets no certificate; its name and key stay taken until it is retired. */
export const rejectDevice = (ctx: Context, target: DeviceTarget) => changeDevice(ctx, target, { action: 'reject' })
