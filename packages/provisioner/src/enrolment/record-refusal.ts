import type { ErrorCode, MusterError } from '@muster/contracts'
import { devices, recordRefusal } from '@muster/db'
import type { Context } from '../context.ts'
import { isDevice } from '../devices/transition.ts'
import type { ClaimRow } from './authenticate-claim.ts'
import type { EnrolInput } from './enrol.ts'

/** Somebody else may hold the claim, or a copy of the key. */
const alerting: readonly ErrorCode[] = ['claim-key-mismatch', 'key-in-use']

/** Promise 6. Recorded where the claim tells whom it is about; a name that only the request gives must exist. */
export async function recordEnrolRefusal(
  ctx: Context,
  claim: ClaimRow,
  request: EnrolInput,
  refusal: MusterError,
): Promise<void> {
  const { code, detail } = refusal
  const { fleet } = claim
  const { address } = request
  const alert = alerting.includes(code)
  if (alert) {
    ctx.metrics.alerts.inc({ code })
    ctx.log.warn({ code, fleet, claim: claim.id, address, requestId: ctx.requestId }, 'alert')
  }
  const device = await findAddressed(ctx, claim, request.device)
  // The claim may be for this device alone; a name that the request gives is only its word.
  const proven = claim.devices?.length === 1
  const refused = { fleet, device: device ?? '', code, address, detail, alert, proven, at: ctx.now() }
  if (device !== undefined) await recordRefusal(ctx.db, refused)
}

async function findAddressed(ctx: Context, claim: ClaimRow, asked: string | undefined): Promise<string | undefined> {
  if (claim.devices?.length === 1) return claim.devices[0]
  if (asked === undefined || claim.devices?.includes(asked)) return asked
  const [row] = await ctx.db
    .select({ id: devices.id })
    .from(devices)
    .where(isDevice({ fleet: claim.fleet, id: asked }))
  return row?.id
}
