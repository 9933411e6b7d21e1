import { type AttachedPolicies, choosePolicy, type Policy, type PolicySource } from '@muster/contracts'
import { type Db, type devices, fleets, groups, prepared, type Tx } from '@muster/db'
import { and, eq, sql } from 'drizzle-orm'
import { findPolicy } from './find.ts'

type Holder = Pick<typeof devices.$inferSelect, 'fleet' | 'group' | 'profile' | 'policy' | 'claimPolicy'>

/** What is attached to a fleet and to a group of it. */
export async function findAttachments(db: Db | Tx, { fleet, group }: { fleet: string; group: string }) {
  const [row] = await prepared(db, selectAttachments).execute({ fleet, group })
  return { fleet: row?.fleet ?? null, group: row?.group ?? null }
}

const selectAttachments = (db: Db | Tx) =>
  db
    .select({ fleet: fleets.policy, group: groups.policy })
    .from(fleets)
    .leftJoin(groups, and(eq(groups.fleet, fleets.name), eq(groups.name, sql.placeholder('group'))))
    .where(eq(fleets.name, sql.placeholder('fleet')))
    .prepare('find_attachments')

export async function findAttached(db: Db | Tx, holder: Holder): Promise<AttachedPolicies> {
  const { policy: device, claimPolicy: claim, profile } = holder
  return { profile, device, claim, ...(await findAttachments(db, holder)) }
}

/** The document that a choice of attachments leads to. */
export async function loadChosen(
  db: Db | Tx,
  fleet: string,
  attached: AttachedPolicies,
): Promise<{ source: PolicySource; document: Policy }> {
  const { name, attachedTo } = choosePolicy(attached)
  const { version, document } = await findPolicy(db, { fleet, name })
  return { source: { name, version, attachedTo }, document }
}

/** The policy in force for a device. */
export const resolvePolicy = async (db: Db | Tx, holder: Holder) =>
  loadChosen(db, holder.fleet, await findAttached(db, holder))
