import type { Session } from './session.ts'

/** Counts the filter as subscribed to; answers why not where it is refused. */
export function grantFilter(session: Session, filter: string): string | undefined {
  const { policy, filters } = session
  const refused = policy.refuseSubscribe(filter)
  if (refused) return refused
  // The platform's own, which no limit of a policy may close.
  if (filter === session.renewalTopics.response) return undefined
  if (!filters.has(filter) && filters.size >= policy.limits.subscriptions)
    return `${policy.limits.subscriptions} subscriptions at most`
  filters.add(filter)
  return undefined
}

/** Filters of a session that was kept are judged here when it is taken up again. */
export function maySubscribe(session: Session | undefined, filter: string): boolean {
  return session !== undefined && !session.removed && grantFilter(session, filter) === undefined
}
