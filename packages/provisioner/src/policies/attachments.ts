import type { AttachedPolicy } from '@muster/contracts'
import { claims, type Db, devices, fleets, groups, type Tx } from '@muster/db'
import { and, asc, eq, gt, isNull, lt, notInArray, or } from 'drizzle-orm'
import type { PolicyTarget } from './find.ts'

/** Where a policy is in use, or would be when its holder comes back. */
export async function countAttachments(
  db: Db | Tx,
  { fleet, name }: PolicyTarget,
  now: Date,
): Promise<AttachedPolicy['attached']> {
  const attachedGroups = await db
    .select({ name: groups.name })
    .from(groups)
    .where(and(eq(groups.fleet, fleet), eq(groups.policy, name)))
    .orderBy(asc(groups.name))
  const usable = and(lt(claims.used, claims.uses), or(isNull(claims.expiresAt), gt(claims.expiresAt, now)))
  // Those that can never be active again have let go of it.
  const alive = notInArray(devices.state, ['revoked', 'retired', 'rejected'])
  return {
    fleet: (await db.$count(fleets, and(eq(fleets.name, fleet), eq(fleets.policy, name)))) > 0,
    groups: attachedGroups.map((group) => group.name),
    claims: await db.$count(claims, and(eq(claims.fleet, fleet), eq(claims.policy, name), usable)),
    devices: await db.$count(
      devices,
      and(eq(devices.fleet, fleet), or(eq(devices.policy, name), eq(devices.claimPolicy, name)), alive),
    ),
  }
}
