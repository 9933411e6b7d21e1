import { isPresetName, MusterError } from '@muster/contracts'
import { policies, recordAudit } from '@muster/db'
import type { Context } from '../context.ts'
import { countAttachments } from './attachments.ts'
import { isPolicy, type PolicyTarget } from './find.ts'

/** Refused while it is attached anywhere; its versions stay on record. */
export async function removePolicy(ctx: Context, target: PolicyTarget, expected?: number): Promise<void> {
  const { fleet, name } = target
  if (isPresetName(name)) throw new MusterError('conflict', `${name} is a preset of every fleet`)
  await ctx.db.transaction(async (tx) => {
    // Whoever is about to attach it holds the row, or comes too late.
    const [row] = await tx.select({ version: policies.version }).from(policies).where(isPolicy(target)).for('update')
    if (!row) throw new MusterError('policy-not-found', `fleet ${fleet} has no policy ${name}`)
    if (expected !== undefined && expected !== row.version)
      throw new MusterError('conflict', `policy ${name} is at version ${row.version}`)
    const attached = await countAttachments(tx, target, ctx.now())
    const places = [
      ...(attached.fleet ? ['its fleet'] : []),
      ...attached.groups.slice(0, 3).map((group) => `group ${group}`),
      ...(attached.groups.length > 3 ? [`${attached.groups.length - 3} more groups`] : []),
      ...(attached.claims > 0 ? [`${attached.claims} claims`] : []),
      ...(attached.devices > 0 ? [`${attached.devices} devices`] : []),
    ]
    if (places.length > 0) throw new MusterError('policy-in-use', `policy ${name} is attached to ${places.join(', ')}`)
    await tx.delete(policies).where(isPolicy(target))
    const { actor, requestId } = ctx
    const detail = { version: row.version }
    await recordAudit(tx, { actor, action: 'policy.delete', fleet, subject: name, detail, requestId, at: ctx.now() })
  })
}
