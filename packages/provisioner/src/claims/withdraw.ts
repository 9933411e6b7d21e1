import { MusterError } from '@muster/contracts'
import { claims, recordAudit } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'

/** From here on no further key can use the claim; keys it is bound to keep what they have. */
export async function withdrawClaim(ctx: Context, { fleet, id }: { fleet: string; id: string }): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const isClaim = and(eq(claims.fleet, fleet), eq(claims.id, id))
    const [claim] = await tx.select({ expiresAt: claims.expiresAt }).from(claims).where(isClaim).for('update')
    if (!claim) throw new MusterError('claim-not-found', `fleet ${fleet} has no claim ${id}`)
    const at = ctx.now()
    if (claim.expiresAt && claim.expiresAt <= at) return
    await tx.update(claims).set({ expiresAt: at }).where(isClaim)
    const { actor, requestId } = ctx
    await recordAudit(tx, { actor, action: 'claim.withdraw', fleet, subject: id, requestId, at })
  })
}
