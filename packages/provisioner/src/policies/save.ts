import { isDeepStrictEqual } from 'node:util'
import { isPresetName, MusterError, type Policy, type SavedPolicy } from '@muster/contracts'
import { policies, policyVersions, recordAudit, type Tx } from '@muster/db'
import { and, eq, max } from 'drizzle-orm'
import { announceChange } from '../changes/announce.ts'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { settleConflicts } from '../settle-conflicts.ts'
import { findPolicyRecord, isPolicy, type PolicyTarget } from './find.ts'

export interface SavePolicyInput {
  fleet: string
  document: Policy
  /** The version that the document was made from; 0: there must be none. */
  expected?: number | undefined
}

/** A new version, which reaches live sessions at once; what is saved already is left as it is. */
export async function savePolicy(ctx: Context, { fleet, document, expected }: SavePolicyInput): Promise<SavedPolicy> {
  const { name } = document
  const target = { fleet, name }
  if (isPresetName(name))
    throw new MusterError('conflict', `${name} is a preset of every fleet and cannot be changed; choose another name`)
  return settleConflicts(() =>
    ctx.db.transaction(async (tx) => {
      await requireFleet(tx, fleet)
      const [before] = await tx.select().from(policies).where(isPolicy(target)).for('update')
      if (expected !== undefined && expected !== (before?.version ?? 0))
        throw new MusterError(
          'conflict',
          `policy ${name} ${before ? `is at version ${before.version}` : 'is not there'}`,
        )
      if (before && isDeepStrictEqual(before.document, document))
        return { ...(await findPolicyRecord(tx, target)), change: null }
      const version = before ? before.version + 1 : await findFreeVersion(tx, target)
      return storeVersion(ctx, tx, { ...target, version, document, before: before?.version })
    }),
  )
}

/** Numbers go on where a policy of the same name has been deleted. */
async function findFreeVersion(tx: Tx, { fleet, name }: PolicyTarget): Promise<number> {
  const [last] = await tx
    .select({ version: max(policyVersions.version) })
    .from(policyVersions)
    .where(and(eq(policyVersions.fleet, fleet), eq(policyVersions.name, name)))
  return (last?.version ?? 0) + 1
}

interface Stored extends PolicyTarget {
  version: number
  document: Policy
  before: number | undefined
}

async function storeVersion(ctx: Context, tx: Tx, stored: Stored): Promise<SavedPolicy> {
  const { fleet, name, version, document, before } = stored
  const { actor, requestId } = ctx
  const at = ctx.now()
  if (before === undefined) await tx.insert(policies).values({ fleet, name, version, document, createdAt: at })
  else await tx.update(policies).set({ version, document }).where(isPolicy(stored))
  await tx.insert(policyVersions).values({ fleet, name, version, document, savedBy: actor, savedAt: at })
  const detail = { version, before: before ?? null }
  await recordAudit(tx, { actor, action: 'policy.save', fleet, subject: name, detail, requestId, at })
  // Nobody can be under a policy that has just come.
  const seq = before === undefined ? undefined : await announceChange(tx, { kind: 'policy', fleet, policy: name, at })
  return {
    name,
    version,
    document,
    savedBy: actor,
    savedAt: at.toISOString(),
    change: seq === undefined ? null : String(seq),
  }
}
