import { type Claim, MusterError } from '@muster/contracts'
import { claims, recordAudit } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { holdPolicy } from '../policies/find.ts'
import { presentClaim } from './list.ts'

/** For devices that enrol with it from now on; those that have keep what it named then. */
export async function attachToClaim(
  ctx: Context,
  { fleet, id }: { fleet: string; id: string },
  policy: string | null,
): Promise<Claim> {
  return ctx.db.transaction(async (tx) => {
    const isClaim = and(eq(claims.fleet, fleet), eq(claims.id, id))
    const [before] = await tx.select().from(claims).where(isClaim).for('update')
    if (!before) throw new MusterError('claim-not-found', `fleet ${fleet} has no claim ${id}`)
    if (before.policy === policy) return presentClaim(before)
    if (policy !== null) await holdPolicy(tx, { fleet, name: policy })
    await tx.update(claims).set({ policy }).where(isClaim)
    const { actor, requestId } = ctx
    const detail = { policy, before: before.policy }
    await recordAudit(tx, { actor, action: 'claim.attach', fleet, subject: id, detail, requestId, at: ctx.now() })
    return presentClaim({ ...before, policy })
  })
}
