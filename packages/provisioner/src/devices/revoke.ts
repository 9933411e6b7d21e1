import type { AcceptedRevocation, RevocationReason } from '@muster/contracts'
import { changes, type Tx } from '@muster/db'
import { and, desc, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import type { DeviceRow } from './present.ts'
import { applyTransition, type DeviceTarget, lockDevice } from './transition.ts'

/** Promise 4. Revoking what is revoked answers the revocation there is. */
export async function revokeDevice(
  ctx: Context,
  target: DeviceTarget,
  reason: RevocationReason,
): Promise<AcceptedRevocation> {
  return ctx.db.transaction(async (tx) => {
    const device = await lockDevice(tx, target)
    const earlier = device.state === 'revoked' ? await findRevocation(tx, device) : undefined
    if (earlier) return { revocation: String(earlier.seq), at: earlier.at.toISOString() }
    const { seq, at } = await applyTransition(ctx, tx, device, { action: 'revoke', reason, change: 'revoke' })
    return { revocation: String(seq), at: at.toISOString() }
  })
}

async function findRevocation(tx: Tx, device: DeviceRow) {
  const [row] = await tx
    .select({ seq: changes.seq, at: changes.at })
    .from(changes)
    .where(and(eq(changes.fleet, device.fleet), eq(changes.device, device.id), eq(changes.kind, 'revoke')))
    .orderBy(desc(changes.seq))
    .limit(1)
  return row
}
