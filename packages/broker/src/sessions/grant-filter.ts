import { type CompiledPolicy, isTopicFilter } from '@muster/contracts'
import type { Session } from './session.ts'

/** With the reason code of MQTT 5's SUBACK. */
export interface FilterRefusal {
  reasonCode: 0x87 | 0x8f | 0x97
  why: string
}

const notAuthorised = 0x87
const filterInvalid = 0x8f
const quotaExceeded = 0x97

/** What this node tells of itself: for services, whatever their policy says. */
const reports = '$SYS/broker/'

/** What is inside `$share/<name>/…`; `undefined` for another filter, empty for one that cannot be. [MQTT-4.8.2-1] */
export function innerFilter(filter: string): string | undefined {
  if (!filter.startsWith('$share/')) return undefined
  const end = filter.indexOf('/', 7)
  const name = filter.slice(7, end < 0 ? undefined : end)
  // [MQTT-4.8.2-2]
  const isName = name !== '' && !name.includes('+') && !name.includes('#')
  return isName && end > 0 ? filter.slice(end + 1) : ''
}

/** Counts the filter as subscribed to; answers why not where it is refused. */
export function grantFilter(session: Session, filter: string): FilterRefusal | undefined {
  const { policy, filters } = session
  const refused = refuseFilter(session, policy, filter)
  if (refused) return refused
  // The platform's own, which no limit of a policy may close.
  if (filter === session.renewalTopics.response) return undefined
  if (!filters.has(filter) && filters.size >= policy.limits.subscriptions)
    return { reasonCode: quotaExceeded, why: `${policy.limits.subscriptions} subscriptions at most` }
  filters.add(filter)
  return undefined
}

/** Whether a policy, in force or thought of, allows a filter, whatever it is counted as. */
export function refuseFilter(session: Session, policy: CompiledPolicy, filter: string): FilterRefusal | undefined {
  const inner = innerFilter(filter)
  if (inner !== undefined) {
    if (!isTopicFilter(inner)) return { reasonCode: filterInvalid, why: 'not a shared subscription' }
    if (session.isDevice) return { reasonCode: notAuthorised, why: 'shared subscriptions are for services' }
  }
  if (isReport(session, filter)) return undefined
  const why = policy.refuseSubscribe(inner ?? filter)
  return why === undefined ? undefined : { reasonCode: notAuthorised, why }
}

/** The highest QoS for a filter that is granted. */
export function grantedQos(session: Session, filter: string, requested: 0 | 1 | 2): 0 | 1 | 2 {
  return isReport(session, filter) ? 0 : session.policy.grantedQos(innerFilter(filter) ?? filter, requested)
}

/** Filters of a session that was kept are judged here when it is taken up again. */
export function maySubscribe(session: Session | undefined, filter: string): boolean {
  return session !== undefined && !session.removed && grantFilter(session, filter) === undefined
}

/** Asked for each message on its way out. */
export function mayReceive(session: Session, topic: string): boolean {
  return !session.removed && (isReport(session, topic) || session.policy.mayReceive(topic))
}

const isReport = (session: Session, filter: string) => filter.startsWith(reports) && !session.isDevice
