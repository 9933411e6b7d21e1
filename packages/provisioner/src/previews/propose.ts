import {
  type AttachedPolicies,
  MusterError,
  type PolicyLevel,
  type PreviewRequest,
  type Proposal,
  policyLevels,
} from '@muster/contracts'
import { type Db, devices, policies } from '@muster/db'
import { isDevice } from '../devices/transition.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { findGroup } from '../groups/find.ts'
import { isPolicy } from '../policies/find.ts'
import { findAttached, findAttachments, loadChosen } from '../policies/resolve.ts'

type Scope = Pick<Proposal, 'fleet' | 'device' | 'group' | 'policy' | 'moveTo'>

/** What is asked for, in the terms of sessions: whom it reaches, and what would be in force for them. */
export async function propose(db: Db, fleet: string, { save, attach, move }: PreviewRequest): Promise<Proposal> {
  await requireFleet(db, fleet)
  const nobody: Scope = { fleet, device: null, group: null, policy: null, moveTo: null }
  if (save) {
    const [row] = await db
      .select({ version: policies.version })
      .from(policies)
      .where(isPolicy({ fleet, name: save.name }))
    const source = { name: save.name, version: (row?.version ?? 0) + 1, attachedTo: 'fleet' as const }
    const becomes = { source, document: save }
    return { ...nobody, policy: save.name, levels: [...policyLevels], becomes: { device: becomes, service: becomes } }
  }
  if (move) {
    const attached = await findDeviceAttached(db, fleet, move.device)
    const { group } = await findAttachments(db, { fleet, group: move.group })
    const scope = { ...nobody, device: move.device, moveTo: move.group }
    return { ...scope, levels: [...policyLevels], ...(await become(db, fleet, { ...attached, group })) }
  }
  if (!attach) throw new MusterError('request-invalid', 'give one of save, attach and move')
  const { policy, group, device } = attach
  const level = device === undefined ? (group === undefined ? 'fleet' : 'group') : 'device'
  const before = await findBefore(db, fleet, attach)
  const after = { ...before, [level]: policy }
  const scope = { ...nobody, device: device ?? null, group: group ?? null }
  return { ...scope, levels: reached(level, policy), ...(await become(db, fleet, after)) }
}

/** Where something more specific is attached, nothing changes; what is taken off was in force only where it was attached. */
function reached(level: PolicyLevel, policy: string | null): PolicyLevel[] {
  return policy === null ? [level] : policyLevels.slice(policyLevels.indexOf(level))
}

async function findBefore(
  db: Db,
  fleet: string,
  { group, device }: NonNullable<PreviewRequest['attach']>,
): Promise<Omit<AttachedPolicies, 'profile'>> {
  if (device !== undefined) return findDeviceAttached(db, fleet, device)
  if (group !== undefined) await findGroup(db, { fleet, name: group })
  return { device: null, claim: null, ...(await findAttachments(db, { fleet, group: group ?? '' })) }
}

async function findDeviceAttached(db: Db, fleet: string, id: string): Promise<AttachedPolicies> {
  const [device] = await db.select().from(devices).where(isDevice({ fleet, id }))
  if (!device) throw new MusterError('device-not-found', `fleet ${fleet} has no device ${id}`)
  return findAttached(db, device)
}

async function become(
  db: Db,
  fleet: string,
  attached: Omit<AttachedPolicies, 'profile'>,
): Promise<Pick<Proposal, 'becomes'>> {
  const device = await loadChosen(db, fleet, { ...attached, profile: 'device' })
  const service = await loadChosen(db, fleet, { ...attached, profile: 'service' })
  return { becomes: { device, service } }
}
