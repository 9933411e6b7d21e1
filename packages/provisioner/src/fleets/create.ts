import { type CreateFleetRequest, type Fleet, MusterError } from '@muster/contracts'
import { fleets, recordAudit } from '@muster/db'
import type { Context } from '../context.ts'

export async function createFleet(ctx: Context, { name }: CreateFleetRequest): Promise<Fleet> {
  const at = ctx.now()
  await ctx.db.transaction(async (tx) => {
    const created = await tx.insert(fleets).values({ name, createdAt: at }).onConflictDoNothing().returning()
    if (created.length === 0) throw new MusterError('conflict', `there is a fleet ${name} already`)
    const { actor, requestId } = ctx
    await recordAudit(tx, { actor, action: 'fleet.create', fleet: name, subject: name, requestId, at })
  })
  return { name, lateRenewalDays: 0, policy: null, onClone: 'keep-newest', createdAt: at.toISOString() }
}
