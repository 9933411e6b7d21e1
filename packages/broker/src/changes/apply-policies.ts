import { type CompiledPolicy, sessionKey } from '@muster/contracts'
import type { Registry } from '../admission/registry.ts'
import { reasonCodes } from '../mqtt/reason-codes.ts'
import { applyPolicy, isSamePolicy } from '../sessions/apply-policy.ts'
import { refuseFilter } from '../sessions/grant-filter.ts'
import type { Session } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Change } from './act-on-changes.ts'
import { judgeAgain } from './judge-again.ts'

export interface PolicyOutcome {
  sessionsChanged: number
  subscriptionsCut: number
  connectionsClosed: number
}

const batchRows = 1_000
// Whoever lost a subscription is told by the end of its connection: so many a second, lest all come back at once.
const toldPerSecond = 500

/**
 * Puts the policies in force that the registry has now, for all live sessions that a change concerns.
 * A session that is still being judged asks the registry again: what it was told may be older than the change.
 */
export async function applyPolicies(
  options: { registry: Registry; sessions: Pick<Sessions, 'list' | 'expel'>; now(): Date },
  change: Pick<Change, 'fleet' | 'device' | 'group' | 'policy'>,
): Promise<PolicyOutcome> {
  const { registry, sessions, now } = options
  const inScope = sessions.list().filter((session) => isConcerned(session, change))
  const live = inScope.filter((session) => session.isAdmitted)
  for (const session of inScope) if (!session.isAdmitted) session.isOutdated = true
  const outcome: PolicyOutcome = { sessionsChanged: 0, subscriptionsCut: 0, connectionsClosed: 0 }
  for (let start = 0; start < live.length; start += batchRows) {
    const batch = live.slice(start, start + batchRows)
    const rows = await registry.findAll(batch.map(({ peer }) => peer.serial))
    for (const session of batch) {
      if (session.removed || session.socket.destroyed) continue
      const judged = judgeAgain(session, rows.get(session.peer.serial), now())
      if ('refusal' in judged) {
        // Without a policy nobody stays. What else is wrong with it is for its own change to say.
        if (judged.refusal.code !== 'policy-not-found') continue
        await sessions.expel(session, judged.refusal.code)
        outcome.connectionsClosed += 1
        continue
      }
      if (isSamePolicy(session.policy, judged.policy)) continue
      outcome.sessionsChanged += 1
      const lost = await cutSubscriptions(session, judged.policy, outcome.connectionsClosed)
      outcome.subscriptionsCut += lost
      if (lost > 0) outcome.connectionsClosed += 1
    }
  }
  return outcome
}

function isConcerned(session: Session, { fleet, device, group, policy }: Parameters<typeof applyPolicies>[1]): boolean {
  if (session.peer.identity.fleet !== fleet || session.isLate) return false
  if (device !== null && session.key !== sessionKey({ fleet, device })) return false
  // Of one that is being judged, neither is known yet.
  if (!session.isAdmitted) return true
  return (
    (group === null || session.policy.group === group) && (policy === null || session.policy.source.name === policy)
  )
}

/**
 * MQTT has no word of a server for the end of a subscription: the connection ends as well, so that the client notices
 * and subscribes anew. Its session stays, without what was cut.
 */
export async function cutSubscriptions(session: Session, policy: CompiledPolicy, before = 0): Promise<number> {
  const lost = applyPolicy(session, policy)
  const [first] = lost
  if (first === undefined) return 0
  await session.transport.unsubscribe(lost)
  const reason = `subscribe-denied: ${first}: ${refuseFilter(session, policy, first)?.why ?? 'too many subscriptions'}`
  const tell = () => session.transport.end(reasonCodes.notAuthorized, reason)
  setTimeout(tell, Math.floor((before * 1_000) / toldPerSecond)).unref()
  return lost.length
}
