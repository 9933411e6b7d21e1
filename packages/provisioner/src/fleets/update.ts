import { type Fleet, MusterError, type UpdateFleetRequest } from '@muster/contracts'
import { fleets, recordAudit } from '@muster/db'
import { eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { presentFleet } from './list.ts'

/** For how long after its end a certificate of this fleet may still renew. */
export async function updateFleet(ctx: Context, name: string, { lateRenewalDays }: UpdateFleetRequest): Promise<Fleet> {
  return ctx.db.transaction(async (tx) => {
    const [before] = await tx.select().from(fleets).where(eq(fleets.name, name)).for('update')
    if (!before) throw new MusterError('fleet-not-found', `there is no fleet ${name}`)
    if (before.lateRenewalDays === lateRenewalDays) return presentFleet(before)
    await tx.update(fleets).set({ lateRenewalDays }).where(eq(fleets.name, name))
    const { actor, requestId } = ctx
    const detail = { lateRenewalDays, before: before.lateRenewalDays }
    await recordAudit(tx, {
      actor,
      action: 'fleet.update',
      fleet: name,
      subject: name,
      detail,
      requestId,
      at: ctx.now(),
    })
    return presentFleet({ ...before, lateRenewalDays })
  })
}
