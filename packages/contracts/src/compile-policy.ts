import type { Identity } from './identity.ts'
import { fillTemplate, type Policy, type PolicyLimits } from './policy.ts'
import type { PolicySource } from './policy-source.ts'
import { compileFilter, containsFilter, isTopicFilter, isTopicName } from './topics.ts'

export interface PublishRequest {
  topic: string
  qos: 0 | 1 | 2
  retain: boolean
  payloadBytes: number
}

export interface Decision {
  allowed: boolean
  /** The rule that decided, like `deny[0]`; null where none did. */
  rule: string | null
  /** The filter of that rule that decided, variables filled in. */
  filter: string | null
  /** Begins with the policy and the rule: `policy meter v3, deny[0]: …`. */
  why: string
}

export type PolicyHolder = Identity & { serial: string }

/** A policy with its variables filled in: compiled once a connection, asked once a message. Every answer is pure. */
export interface CompiledPolicy {
  source: PolicySource
  /** Of whom it was compiled: the group may be another than that of the certificate. */
  group: string
  /** The filters the holder may publish within and subscribe within, variables filled in. */
  publish: readonly string[]
  subscribe: readonly string[]
  limits: PolicyLimits
  /** `undefined` when allowed, otherwise why not. */
  refusePublish(request: PublishRequest): string | undefined
  refuseSubscribe(filter: string): string | undefined
  /** The same answers, with the rule that decided. */
  explainPublish(request: PublishRequest): Decision
  explainSubscribe(filter: string): Decision
  /** The highest QoS granted for a filter that is allowed. */
  grantedQos(filter: string, requested: 0 | 1 | 2): 0 | 1 | 2
  /** Checked for each message on its way out, queued and retained ones included. */
  mayReceive(topic: string): boolean
}

interface Filter {
  // All judgements have this field, so that asking for it costs the same everywhere.
  refused: undefined
  rule: string
  filter: string
  matches: (topic: string) => boolean
}
interface PublishFilter extends Filter {
  qos: number
  retain: boolean
  payload: number
}
interface SubscribeFilter extends Filter {
  qos: number
}

/** The filter that allows, or the words that refuse, with the filter they are about. */
type Judgement<Allowed extends Filter> = Allowed | Refused
interface Refused {
  refused: string
  by: Filter | undefined
}

export function compilePolicy(
  policy: Policy,
  holder: PolicyHolder,
  source: PolicySource = { name: policy.name, version: null, attachedTo: 'preset' },
): CompiledPolicy {
  const rules = fillRules(policy, holder)
  const { version } = source
  const name = version === null ? `policy ${source.name}` : `policy ${source.name} v${version}`
  const judgePublish = publishJudge(rules)
  const judgeSubscribe = subscribeJudge(rules)

  function tell({ refused, by }: Refused): string {
    return by ? `${name}, ${by.rule}: ${refused}` : `${name}: ${refused}`
  }
  function explain(judgement: Judgement<Filter>): Decision {
    if (judgement.refused === undefined) {
      const { rule, filter } = judgement
      return { allowed: true, rule, filter, why: `${name}, ${rule}: allowed by ${filter}` }
    }
    const { by } = judgement
    return { allowed: false, rule: by?.rule ?? null, filter: by?.filter ?? null, why: tell(judgement) }
  }

  return {
    source,
    group: holder.group,
    publish: rules.publish.map(({ filter }) => filter),
    subscribe: rules.subscribe.map(({ filter }) => filter),
    limits: policy.limits,

    refusePublish(request) {
      const judgement = judgePublish(request)
      return judgement.refused === undefined ? undefined : tell(judgement)
    },
    refuseSubscribe(filter) {
      const judgement = judgeSubscribe(filter)
      return judgement.refused === undefined ? undefined : tell(judgement)
    },
    explainPublish: (request) => explain(judgePublish(request)),
    explainSubscribe: (filter) => explain(judgeSubscribe(filter)),

    grantedQos(filter, requested) {
      const highest = rules.subscribe
        .filter((rule) => containsFilter(rule.filter, filter))
        .reduce((qos, rule) => Math.max(qos, rule.qos), 0)
      return Math.min(requested, highest) as 0 | 1 | 2
    },

    mayReceive(topic) {
      if (topic.startsWith('$')) return false
      for (const denied of rules.denySubscribe) if (denied.matches(topic)) return false
      for (const rule of rules.subscribe) if (rule.matches(topic)) return true
      return false
    },
  }
}

interface Rules {
  publish: PublishFilter[]
  subscribe: SubscribeFilter[]
  denyPublish: Filter[]
  denySubscribe: Filter[]
}

function fillRules({ allow, deny }: Policy, holder: PolicyHolder): Rules {
  const rules: Rules = { publish: [], subscribe: [], denyPublish: [], denySubscribe: [] }
  const filters = (templates: readonly string[], rule: string): Filter[] =>
    templates.map((template) => {
      const filter = fillTemplate(template, holder)
      return { refused: undefined, rule, filter, matches: matcher(filter) }
    })
  for (const [index, rule] of allow.entries()) {
    const name = `allow[${index}]`
    if ('publish' in rule) {
      const { qos, retain, payload } = rule
      rules.publish.push(...filters(rule.publish, name).map((filter) => ({ ...filter, qos, retain, payload })))
    } else rules.subscribe.push(...filters(rule.subscribe, name).map((filter) => ({ ...filter, qos: rule.qos })))
  }
  for (const [index, rule] of deny.entries()) {
    const name = `deny[${index}]`
    if ('publish' in rule) rules.denyPublish.push(...filters(rule.publish, name))
    else rules.denySubscribe.push(...filters(rule.subscribe, name))
  }
  return rules
}

/** Asked for every message: an allowed one makes no garbage. */
function publishJudge({ publish, denyPublish }: Rules) {
  return ({ topic, qos, retain, payloadBytes }: PublishRequest): Judgement<PublishFilter> => {
    if (!isTopicName(topic)) return { refused: 'not a topic name', by: undefined }
    if (topic.startsWith('$')) return { refused: '$-topics are closed', by: undefined }
    for (const denied of denyPublish)
      if (denied.matches(topic)) return { refused: `denied by ${denied.filter}`, by: denied }
    let nearest: Refused | undefined
    for (const rule of publish) {
      if (!rule.matches(topic)) continue
      if (qos > rule.qos) nearest = { refused: `QoS ${rule.qos} at most on ${rule.filter}`, by: rule }
      else if (retain && !rule.retain) nearest = { refused: `no retained messages on ${rule.filter}`, by: rule }
      else if (payloadBytes > rule.payload)
        nearest = { refused: `payload above ${rule.payload} bytes on ${rule.filter}`, by: rule }
      else return rule
    }
    return nearest ?? { refused: 'no rule allows this topic', by: undefined }
  }
}

function subscribeJudge({ subscribe, denySubscribe }: Rules) {
  return (filter: string): Judgement<SubscribeFilter> => {
    if (!isTopicFilter(filter)) return { refused: 'not a topic filter', by: undefined }
    if (filter.startsWith('$')) return { refused: '$-topics are closed', by: undefined }
    for (const denied of denySubscribe)
      if (containsFilter(denied.filter, filter)) return { refused: `denied by ${denied.filter}`, by: denied }
    for (const rule of subscribe) if (containsFilter(rule.filter, filter)) return rule
    return { refused: 'the filter is not inside one that is allowed', by: undefined }
  }
}

// Nearly every filter is a prefix and `#`: that case is two string comparisons.
function matcher(filter: string): (topic: string) => boolean {
  const prefix = /^([^+#]+)\/#$/.exec(filter)?.[1]
  if (prefix === undefined) return compileFilter(filter)
  const below = `${prefix}/`
  return (topic) => topic.startsWith(below) || topic === prefix
}
