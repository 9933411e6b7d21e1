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
  return new WithRenewal(policy, holder)
}

class WithRenewal implements CompiledPolicy {
  readonly #policy: CompiledPolicy
  readonly #fleet: string
  readonly #device: string

  constructor(policy: CompiledPolicy, { fleet, device }: { fleet: string; device: string }) {
    this.#policy = policy
    this.#fleet = fleet
    this.#device = device
  }

  get source() {
    return this.#policy.source
  }
  get group() {
    return this.#policy.group
  }
  get publish() {
    return this.#policy.publish
  }
  get subscribe() {
    return this.#policy.subscribe
  }
  get limits() {
    return this.#policy.limits
  }

  refusePublish(publication: PublishRequest): string | undefined {
    const judgement = this.#judgePublish(publication)
    return judgement ? judgement.refused : this.#policy.refusePublish(publication)
  }

  refuseSubscribe(filter: string): string | undefined {
    const judgement = this.#judgeSubscribe(filter)
    return judgement ? judgement.refused : this.#policy.refuseSubscribe(filter)
  }

  explainPublish(publication: PublishRequest): Decision {
    return explain(this.#judgePublish(publication)) ?? this.#policy.explainPublish(publication)
  }

  explainSubscribe(filter: string): Decision {
    return explain(this.#judgeSubscribe(filter)) ?? this.#policy.explainSubscribe(filter)
  }

  grantedQos(filter: string, requested: 0 | 1 | 2): 0 | 1 | 2 {
    return this.#isResponse(filter) ? (Math.min(requested, 1) as 0 | 1) : this.#policy.grantedQos(filter, requested)
  }

  mayReceive(topic: string): boolean {
    return isRenewalTopic(topic) ? this.#isResponse(topic) : this.#policy.mayReceive(topic)
  }

  /** `undefined` where it is for the policy to say. */
  #judgePublish({ topic, qos, retain, payloadBytes }: PublishRequest): Platform | undefined {
    if (!isRenewalTopic(topic)) return undefined
    if (topic !== this.#topics().request) return closed
    if (qos === 2) return { refused: 'QoS 1 at most for a renewal' }
    if (retain) return { refused: 'a renewal is not retained' }
    return payloadBytes > maxProofBytes ? { refused: `payload above ${maxProofBytes} bytes for a renewal` } : allowed
  }

  #judgeSubscribe(filter: string): Platform | undefined {
    if (!isRenewalTopic(filter)) return undefined
    return this.#isResponse(filter) ? allowed : closed
  }

  #isResponse(filter: string): boolean {
    return isRenewalTopic(filter) && filter === this.#topics().response
  }

  // Made when they are asked for, which is seldom: a node has one of these for each connection.
  #topics() {
    return renewalTopics({ fleet: this.#fleet, device: this.#device })
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
