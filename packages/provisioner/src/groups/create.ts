import { type CreateGroupRequest, type Group, MusterError } from '@muster/contracts'
import { groups, recordAudit } from '@muster/db'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { holdPolicy } from '../policies/find.ts'
import { attachToGroup } from './attach.ts'
import { findGroup } from './find.ts'

/** A group that is in use already, and has no row yet, gets one. */
export async function createGroup(
  ctx: Context,
  { fleet, ...request }: CreateGroupRequest & { fleet: string },
): Promise<Group> {
  const { name, policy } = request
  const at = ctx.now()
  return ctx.db.transaction(async (tx) => {
    await requireFleet(tx, fleet)
    const created = await tx.insert(groups).values({ fleet, name, createdAt: at }).onConflictDoNothing().returning()
    if (created.length === 0) throw new MusterError('conflict', `fleet ${fleet} has a group ${name} already`)
    const { actor, requestId } = ctx
    await recordAudit(tx, { actor, action: 'group.create', fleet, subject: name, requestId, at })
    if (policy === null) return findGroup(tx, { fleet, name })
    await holdPolicy(tx, { fleet, name: policy })
    const { change: _, ...group } = await attachToGroup(ctx, tx, { fleet, name }, policy)
    return group
  })
}
