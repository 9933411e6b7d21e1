import { type ChangedFleet, MusterError, type UpdateFleetRequest } from '@muster/contracts'
import { fleets, recordAudit } from '@muster/db'
import { eq } from 'drizzle-orm'
import { announceChange } from '../changes/announce.ts'
import type { Context } from '../context.ts'
import { holdPolicy } from '../policies/find.ts'
import { presentFleet } from './list.ts'

/** The settings that are named; the others stay as they are. */
export async function updateFleet(ctx: Context, name: string, request: UpdateFleetRequest): Promise<ChangedFleet> {
  return ctx.db.transaction(async (tx) => {
    const [before] = await tx.select().from(fleets).where(eq(fleets.name, name)).for('update')
    if (!before) throw new MusterError('fleet-not-found', `there is no fleet ${name}`)
    const { lateRenewalDays = before.lateRenewalDays, policy = before.policy, onClone = before.onClone } = request
    const { actor, requestId } = ctx
    const about = { actor, fleet: name, subject: name, requestId, at: ctx.now() }
    if (before.lateRenewalDays !== lateRenewalDays || before.onClone !== onClone) {
      await tx.update(fleets).set({ lateRenewalDays, onClone }).where(eq(fleets.name, name))
      const was = { lateRenewalDays: before.lateRenewalDays, onClone: before.onClone }
      await recordAudit(tx, { ...about, action: 'fleet.update', detail: { lateRenewalDays, onClone, before: was } })
    }
    const after = { ...before, lateRenewalDays, policy, onClone }
    if (before.policy === policy) return { ...presentFleet(after), change: null }
    if (policy !== null) await holdPolicy(tx, { fleet: name, name: policy })
    await tx.update(fleets).set({ policy }).where(eq(fleets.name, name))
    await recordAudit(tx, { ...about, action: 'fleet.attach', detail: { policy, before: before.policy } })
    const change = await announceChange(tx, { kind: 'policy', fleet: name, at: ctx.now() })
    return { ...presentFleet(after), change: String(change) }
  })
}
