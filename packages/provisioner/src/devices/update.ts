import { type ChangedDevice, MusterError, type UpdateDeviceRequest } from '@muster/contracts'
import { devices, recordAudit, renewalWindows, type Tx } from '@muster/db'
import { announceChange } from '../changes/announce.ts'
import type { Context } from '../context.ts'
import { holdPolicy } from '../policies/find.ts'
import { type DeviceRow, presentFoundDevice } from './present.ts'
import { type DeviceTarget, isDevice, lockDevice } from './transition.ts'

const renewWithinMs = 3_600_000

/** Another group, another policy of its own: both reach its live connection at once. */
export async function updateDevice(
  ctx: Context,
  target: DeviceTarget,
  request: UpdateDeviceRequest,
): Promise<ChangedDevice> {
  return ctx.db.transaction(async (tx) => {
    const before = await lockDevice(tx, target)
    if (before.state === 'retired')
      throw new MusterError('transition-not-allowed', `${target.id} is retired and has neither group nor policy`)
    const { group = before.group, policy = before.policy } = request
    if (policy !== null && policy !== before.policy) await holdPolicy(tx, { fleet: before.fleet, name: policy })
    const moved = group !== before.group
    if (!moved && policy === before.policy) return { ...(await presentFoundDevice(tx, before)), change: null }
    const [after = before] = await tx.update(devices).set({ group, policy }).where(isDevice(target)).returning()
    if (policy !== before.policy) await record(ctx, tx, after, 'device.attach', { policy, before: before.policy })
    if (moved) await move(ctx, tx, before, after)
    const { fleet, id: device } = after
    const change = await announceChange(tx, { kind: moved ? 'group' : 'policy', fleet, device, at: ctx.now() })
    return { ...(await presentFoundDevice(tx, after)), change: String(change) }
  })
}

/** Its certificates name the group before; the next one will not, and is due now. */
async function move(ctx: Context, tx: Tx, before: DeviceRow, { fleet, id: device, group }: DeviceRow): Promise<void> {
  const at = ctx.now()
  const endsAt = new Date(at.getTime() + renewWithinMs)
  await tx.insert(renewalWindows).values({ fleet, device, startsAt: at, endsAt, createdAt: at })
  await record(ctx, tx, before, 'device.move', { from: before.group, to: group, renewBy: endsAt })
}

async function record(ctx: Context, tx: Tx, { fleet, id }: DeviceRow, action: string, detail: Record<string, unknown>) {
  const { actor, requestId } = ctx
  await recordAudit(tx, { actor, action, fleet, subject: id, detail, requestId, at: ctx.now() })
}
