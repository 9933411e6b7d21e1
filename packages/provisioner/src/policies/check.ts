import {
  type Check,
  type CheckRequest,
  compilePolicy,
  type Decision,
  MusterError,
  openRenewalTopics,
  type Policy,
} from '@muster/contracts'
import { certificates, devices } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { isDevice } from '../devices/transition.ts'
import { resolvePolicy } from './resolve.ts'

/** What a broker would answer the device now, and by which rule. */
export async function checkPolicy(
  { db }: Pick<Context, 'db'>,
  { fleet, device: id, publish, subscribe }: CheckRequest & { fleet: string },
): Promise<Check> {
  const [device] = await db.select().from(devices).where(isDevice({ fleet, id }))
  if (!device) throw new MusterError('device-not-found', `fleet ${fleet} has no device ${id}`)
  const { group, profile, state } = device
  const [certificate] = await db
    .select({ serial: certificates.serial })
    .from(certificates)
    .where(and(eq(certificates.fleet, fleet), eq(certificates.device, id), eq(certificates.state, 'active')))
  const { source, document } = await resolvePolicy(db, device)
  const holder = { fleet, group, device: id, profile, serial: certificate?.serial ?? '-' }
  const compiled = openRenewalTopics(compilePolicy(document, holder, source), holder)
  const decision = publish
    ? compiled.explainPublish({ ...publish, payloadBytes: publish.bytes })
    : compiled.explainSubscribe(subscribe ?? '')
  const standing = findObstacle(device)
  return {
    ...(standing ? { allowed: false, why: standing, rule: null, filter: null } : decision),
    text: standing ? null : findRule(document, decision),
    policy: source,
    device: id,
    group,
    state,
  }
}

/** Whatever its policy says: a broker does not let it in. */
function findObstacle({ state, profile }: typeof devices.$inferSelect): string | undefined {
  if (profile === 'server') return 'a server certificate is not for MQTT clients'
  return state === 'active' ? undefined : `the device is ${state}`
}

function findRule({ allow, deny }: Policy, { rule }: Decision): Record<string, unknown> | null {
  const [, list, index] = /^(allow|deny)\[(\d+)\]$/.exec(rule ?? '') ?? []
  if (list === undefined) return null
  return (list === 'deny' ? deny : allow)[Number(index)] ?? null
}
