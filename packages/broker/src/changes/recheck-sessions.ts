import type { MusterError } from '@muster/contracts'
import type { LookupRow, Registry } from '../admission/registry.ts'
import { isSamePolicy } from '../sessions/apply-policy.ts'
import type { Session } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { cutSubscriptions } from './apply-policies.ts'
import { judgeAgain } from './judge-again.ts'

/** So many at once: others have their turns in between. */
const batchRows = 200

/**
 * Judges live connections again, as if they had just come: all, or those of one device. Certificates that have expired
 * meanwhile end here too. A connection that is still being judged asks the registry again itself: whoever is not let in
 * is told why.
 */
export async function recheckSessions(options: {
  registry: Registry
  sessions: Sessions
  now(): Date
  key?: string
  onRemoved(key: string, refusal: MusterError): void
  /** It may stay, and the registry does not say that it is here. */
  onUnlisted(session: Session, row: LookupRow): void
}): Promise<void> {
  const { registry, sessions, now, onRemoved, onUnlisted } = options
  const { key } = options
  const concerned = sessions.list().filter((session) => key === undefined || session.key === key)
  const live = concerned.filter((session) => session.isAdmitted)
  for (const session of concerned) if (!session.isAdmitted) session.isOutdated = true
  for (let start = 0; start < live.length; start += batchRows) {
    const batch = live.slice(start, start + batchRows)
    const policies = new Map(batch.map((session) => [session, session.policy]))
    const rows = await registry.findAll(batch.map(({ peer }) => peer.serial))
    for (const session of batch) {
      if (session.removed) continue
      const row = rows.get(session.peer.serial)
      const judged = judgeAgain(session, row, now())
      if (!('refusal' in judged)) {
        if (row && !row.isListedHere) onUnlisted(session, row)
        // A change that was acted on meanwhile knows better than these rows.
        if (policies.get(session) === session.policy && !isSamePolicy(session.policy, judged.policy))
          await cutSubscriptions(session, judged.policy)
        continue
      }
      const { refusal } = judged
      await sessions.expel(session, refusal.code)
      onRemoved(session.key, refusal)
    }
  }
}
