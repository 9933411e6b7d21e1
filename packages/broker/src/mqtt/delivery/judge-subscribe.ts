import type { ISubscribePacket } from 'mqtt-packet'
import type { Observer } from '../../observer.ts'
import { grantedQos, grantFilter, innerFilter } from '../../sessions/grant-filter.ts'
import type { Session } from '../../sessions/session.ts'
import { denyTopic } from '../deny-topic.ts'

/** Of what a SUBACK tells; the rest is on record. */
const reasonBytes = 1_024

/**
 * Judges the filters of a SUBSCRIBE together, before aedes keeps or acknowledges any of them. Answers what is wrong with the
 * packet as a whole.
 */
export function judgeSubscribe(
  session: Session,
  packet: ISubscribePacket & { reasonString?: string },
  observer: Pick<Observer, 'denied'>,
): string | undefined {
  const reasons = new Set<string>()
  for (const subscription of packet.subscriptions) {
    const { topic, qos, nl } = subscription
    // [MQTT-3.8.3-4]
    if (nl && innerFilter(topic) !== undefined) return 'no local on a shared subscription'
    const refused = grantFilter(session, topic)
    if (refused) {
      const denial = denyTopic('subscribe-denied', topic, refused.why)
      reasons.add(denial.message)
      observer.denied(session, denial)
    } else subscription.qos = grantedQos(session, topic, qos)
  }
  if (reasons.size > 0) packet.reasonString = [...reasons].join('; ').slice(0, reasonBytes)
  return undefined
}
