import { findPreset, MusterError, Policy, type PolicyRecord } from '@muster/contracts'
import { type Db, policies, policyVersions, type Tx } from '@muster/db'
import { and, eq } from 'drizzle-orm'

export interface PolicyTarget {
  fleet: string
  name: string
}

export const isPolicy = ({ fleet, name }: PolicyTarget) => and(eq(policies.fleet, fleet), eq(policies.name, name))

const notFound = ({ fleet, name }: PolicyTarget) =>
  new MusterError('policy-not-found', `fleet ${fleet} has no policy ${name}`)

/** The document in force: a preset, or the fleet's own. */
export async function findPolicy(
  db: Db | Tx,
  target: PolicyTarget,
): Promise<{ version: number | null; document: Policy }> {
  const preset = findPreset(target.name)
  if (preset) return { version: null, document: preset }
  const [row] = await db
    .select({ version: policies.version, document: policies.document })
    .from(policies)
    .where(isPolicy(target))
  if (!row) throw notFound(target)
  // What was saved before a limit was known gets its default.
  return { version: row.version, document: Policy.parse(row.document) }
}

/** For whoever attaches it: until the transaction ends nobody can delete it. */
export async function holdPolicy(tx: Tx, target: PolicyTarget): Promise<void> {
  if (findPreset(target.name)) return
  const held = await tx.select({ name: policies.name }).from(policies).where(isPolicy(target)).for('share')
  if (held.length === 0) throw notFound(target)
}

/** As it was saved, in the version in force or in an earlier one. */
export async function findPolicyRecord(db: Db | Tx, target: PolicyTarget, version?: number): Promise<PolicyRecord> {
  const preset = findPreset(target.name)
  if (preset && version === undefined)
    return { name: preset.name, version: null, document: preset, savedBy: null, savedAt: null }
  const wanted = version ?? (preset ? undefined : (await findPolicy(db, target)).version)
  const [row] = await db
    .select()
    .from(policyVersions)
    .where(
      and(
        eq(policyVersions.fleet, target.fleet),
        eq(policyVersions.name, target.name),
        eq(policyVersions.version, wanted ?? 0),
      ),
    )
  if (row) return presentVersion(row)
  throw new MusterError('policy-not-found', `fleet ${target.fleet} has no version ${version} of policy ${target.name}`)
}

export function presentVersion(row: typeof policyVersions.$inferSelect): PolicyRecord {
  const { name, version, document, savedBy, savedAt } = row
  return { name, version, document: Policy.parse(document), savedBy, savedAt: savedAt.toISOString() }
}
