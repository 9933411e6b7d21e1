import { renewalTopics } from './api/renewal.ts'
import type { CompiledPolicy, Decision, PublishRequest } from './compile-policy.ts'
import { containsFilter } from './topics.ts'

const maxProofBytes = 32_768

/** Of all devices and fleets: these levels are the platform's, whatever a policy says. */
const reserved = 'fleets/+/devices/+/renewal/#'

// Asked for every message: nearly all are told apart by the first half.
export const isRenewalTopic = (topic: string) => topic.includes('/renewal') && containsFilter(reserved, topic)

/** The policy, with the holder's two renewal topics opened and everybody else's closed. */
export function openRenewalTopics(policy: CompiledPolicy, holder: { fleet: string; device: string }): CompiledPolicy {
  const { request, response } = renewalTopics(holder)

  /** `undefined` where it is for the policy to say. */
  function judgePublish({ topic, qos, retain, payloadBytes }: PublishRequest): Platform | undefined {
    if (topic !== request) return isRenewalTopic(topic) ? closed : undefined
    if (qos === 2) return { refused: 'QoS 1 at most for a renewal' }
    if (retain) return { refused: 'a renewal is not retained' }
    return payloadBytes > maxProofBytes ? { refused: `payload above ${maxProofBytes} bytes for a renewal` } : allowed
  }
  function judgeSubscribe(filter: string): Platform | undefined {
    if (filter === response) return allowed
    return isRenewalTopic(filter) ? closed : undefined
  }

  return {
    ...policy,
    refusePublish(publication) {
      const judgement = judgePublish(publication)
      return judgement ? judgement.refused : policy.refusePublish(publication)
    },
    refuseSubscribe(filter) {
      const judgement = judgeSubscribe(filter)
      return judgement ? judgement.refused : policy.refuseSubscribe(filter)
    },
    explainPublish: (publication) => explain(judgePublish(publication)) ?? policy.explainPublish(publication),
    explainSubscribe: (filter) => explain(judgeSubscribe(filter)) ?? policy.explainSubscribe(filter),

    grantedQos: (filter, requested) =>
      filter === response ? (Math.min(requested, 1) as 0 | 1) : policy.grantedQos(filter, requested),

    mayReceive: (topic) => topic === response || (!isRenewalTopic(topic) && policy.mayReceive(topic)),
  }
}

interface Platform {
  refused: string | undefined
}
const allowed: Platform = { refused: undefined }
const closed: Platform = { refused: 'renewal topics are the platform’s' }

function explain(judgement: Platform | undefined): Decision | undefined {
  if (!judgement) return undefined
  const { refused } = judgement
  return { allowed: refused === undefined, rule: null, filter: null, why: refused ?? 'its own renewal' }
}
