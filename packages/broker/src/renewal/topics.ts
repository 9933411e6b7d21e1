import { type CompiledPolicy, containsFilter, renewalTopics } from '@muster/contracts'

export const maxProofBytes = 32_768

/** Of all devices and fleets: these levels are the platform's, whatever a policy says. */
const reserved = 'fleets/+/devices/+/renewal/#'

// Asked for every message: nearly all are told apart by the first half.
export const isRenewalTopic = (topic: string) => topic.includes('/renewal') && containsFilter(reserved, topic)

/** The policy, with the holder's two renewal topics opened and everybody else's closed. */
export function openRenewalTopics(policy: CompiledPolicy, holder: { fleet: string; device: string }): CompiledPolicy {
  const { request, response } = renewalTopics(holder)
  return {
    ...policy,

    refusePublish(publication) {
      const { topic, qos, retain, payloadBytes } = publication
      if (topic !== request)
        return isRenewalTopic(topic) ? 'renewal topics are the platform’s' : policy.refusePublish(publication)
      if (qos === 2) return 'QoS 1 at most for a renewal'
      if (retain) return 'a renewal is not retained'
      return payloadBytes > maxProofBytes ? `payload above ${maxProofBytes} bytes for a renewal` : undefined
    },

    refuseSubscribe(filter) {
      if (filter === response) return undefined
      return isRenewalTopic(filter) ? 'renewal topics are the platform’s' : policy.refuseSubscribe(filter)
    },

    grantedQos: (filter, requested) =>
      filter === response ? (Math.min(requested, 1) as 0 | 1) : policy.grantedQos(filter, requested),

    mayReceive: (topic) => topic === response || (!isRenewalTopic(topic) && policy.mayReceive(topic)),
  }
}
