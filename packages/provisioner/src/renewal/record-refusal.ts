import { MusterError } from '@muster/contracts'
import { type Db, recordRefusal, type Tx } from '@muster/db'
import type { Context } from '../context.ts'
import type { Holder } from './find-holder.ts'

/** Promise 6, for a device that is known by its certificate. */
export async function recordRenewalRefusal(
  ctx: Context,
  db: Db | Tx,
  { device }: Holder,
  address: string,
  { code, detail }: MusterError,
): Promise<void> {
  const { fleet, id } = device
  const alert = code === 'key-in-use'
  if (alert) {
    ctx.metrics.alerts.inc({ code })
    ctx.log.warn({ code, fleet, device: id, address, requestId: ctx.requestId }, 'alert')
  }
  await recordRefusal(db, { fleet, device: id, code, address, detail, alert, proven: true, at: ctx.now() })
}

export const isRefusal = (error: unknown): error is MusterError =>
  error instanceof MusterError && !['unavailable', 'internal', 'rate-limited'].includes(error.code)
