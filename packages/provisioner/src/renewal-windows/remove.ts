import { MusterError } from '@muster/contracts'
import { recordAudit, renewalWindows } from '@muster/db'
import { eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { auditScope } from './present.ts'

/** Devices that ask from now on are told their own window again. */
export async function removeRenewalWindow(ctx: Context, id: number): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const [row] = await tx.delete(renewalWindows).where(eq(renewalWindows.id, id)).returning()
    if (!row) throw new MusterError('not-found', `there is no renewal window ${id}`)
    const { actor, requestId } = ctx
    await recordAudit(tx, { actor, action: 'renewal.remove', ...auditScope(row), requestId, at: ctx.now() })
  })
}
