import type { CompiledPolicy } from '@muster/contracts'
import { refuseFilter } from './grant-filter.ts'
import type { Session } from './session.ts'

/** Puts a policy in force: publications, deliveries, queues and the will are judged by it from now on. Answers the filters that end with it. */
export function applyPolicy(session: Session, policy: CompiledPolicy): string[] {
  const { kept, lost } = divideFilters(session, policy)
  session.policy = policy
  session.transport.boundQueue(policy.limits)
  session.filters.clear()
  for (const filter of kept) session.filters.add(filter)
  return lost
}

/** What would stay and what would end; of too many subscriptions, the first ones stay. */
export function divideFilters(session: Session, policy: CompiledPolicy): { kept: string[]; lost: string[] } {
  const kept: string[] = []
  const lost: string[] = []
  for (const filter of session.filters) {
    const stays = kept.length < policy.limits.subscriptions && refuseFilter(session, policy, filter) === undefined
    ;(stays ? kept : lost).push(filter)
  }
  return { kept, lost }
}

/** Whether a session would be under another policy, or in another group. */
export function isSamePolicy(one: CompiledPolicy, other: CompiledPolicy): boolean {
  const [a, b] = [one.source, other.source]
  return one.group === other.group && a.name === b.name && a.version === b.version && a.attachedTo === b.attachedTo
}
