import type { ChangedGroup } from '@muster/contracts'
import { groups, recordAudit, type Tx } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import { announceChange } from '../changes/announce.ts'
import type { Context } from '../context.ts'
import { holdPolicy } from '../policies/find.ts'
import { findGroup, type GroupTarget } from './find.ts'

/** The policy of all devices of the group that have none of their own; null takes it off. */
export async function updateGroup(ctx: Context, target: GroupTarget, policy: string | null): Promise<ChangedGroup> {
  return ctx.db.transaction(async (tx) => {
    await findGroup(tx, target)
    if (policy !== null) await holdPolicy(tx, { fleet: target.fleet, name: policy })
    await tx
      .insert(groups)
      .values({ ...target, createdAt: ctx.now() })
      .onConflictDoNothing()
    return attachToGroup(ctx, tx, target, policy)
  })
}

export async function attachToGroup(
  ctx: Context,
  tx: Tx,
  target: GroupTarget,
  policy: string | null,
): Promise<ChangedGroup> {
  const { fleet, name } = target
  const isGroup = and(eq(groups.fleet, fleet), eq(groups.name, name))
  const [before] = await tx.select({ policy: groups.policy }).from(groups).where(isGroup).for('update')
  if (before?.policy === policy) return { ...(await findGroup(tx, target)), change: null }
  await tx.update(groups).set({ policy }).where(isGroup)
  const { actor, requestId } = ctx
  const at = ctx.now()
  const detail = { policy, before: before?.policy ?? null }
  await recordAudit(tx, { actor, action: 'group.attach', fleet, subject: name, detail, requestId, at })
  const change = await announceChange(tx, { kind: 'policy', fleet, group: name, at })
  return { ...(await findGroup(tx, target)), change: String(change) }
}
