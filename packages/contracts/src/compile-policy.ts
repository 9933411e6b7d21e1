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

/** What a rule says of its filters, the same for all holders. */
interface Rule {
  name: string
  qos: number
  retain: boolean
  payload: number
}

/** One filter of one holder: a node has some for each of its connections, and asks them about every message. */
class Filter {
  // All judgements have this field, so that asking for it costs the same everywhere.
  readonly refused = undefined
  readonly rule: Rule
  /** Of a prefix and `#`, which nearly all are, only the prefix with its slash: two comparisons of strings tell. */
  readonly #text: string
  readonly #matches: ((topic: string) => boolean) | undefined

  constructor(rule: Rule, filter: string) {
    this.rule = rule
    const isPrefix = /^[^+#]+\/#$/.test(filter)
    this.#text = isPrefix ? filter.slice(0, -1) : filter
    this.#matches = isPrefix ? undefined : compileFilter(filter)
  }

  get filter(): string {
    return this.#matches ? this.#text : `${this.#text}#`
  }

  matches(topic: string): boolean {
    if (this.#matches) return this.#matches(topic)
    return topic.startsWith(this.#text) || (topic.length === this.#text.length - 1 && this.#text.startsWith(topic))
  }
}

/** The filter that allows, or the words that refuse, with the filter they are about. */
type Judgement = Filter | Refused
interface Refused {
  refused: string
  by: Filter | undefined
}

export function compilePolicy(
  policy: Policy,
  holder: PolicyHolder,
  source: PolicySource = { name: policy.name, version: null, attachedTo: 'preset' },
): CompiledPolicy {
  return new Compiled(policy, holder, source)
}

class Compiled implements CompiledPolicy {
  readonly source: PolicySource
  readonly group: string
  readonly limits: PolicyLimits
  readonly #allow: Rules
  readonly #deny: Rules

  constructor({ allow, deny, limits }: Policy, holder: PolicyHolder, source: PolicySource) {
    this.source = source
    this.group = holder.group
    this.limits = limits
    this.#allow = fillRules(allow, 'allow', holder)
    this.#deny = fillRules(deny, 'deny', holder)
  }

  get publish(): string[] {
    return this.#allow.publish.map(({ filter }) => filter)
  }

  get subscribe(): string[] {
    return this.#allow.subscribe.map(({ filter }) => filter)
  }

  refusePublish(request: PublishRequest): string | undefined {
    const judgement = this.#judgePublish(request)
    return judgement.refused === undefined ? undefined : this.#tell(judgement)
  }

  refuseSubscribe(filter: string): string | undefined {
    const judgement = this.#judgeSubscribe(filter)
    return judgement.refused === undefined ? undefined : this.#tell(judgement)
  }

  explainPublish(request: PublishRequest): Decision {
    return this.#explain(this.#judgePublish(request))
  }

  explainSubscribe(filter: string): Decision {
    return this.#explain(this.#judgeSubscribe(filter))
  }

  grantedQos(filter: string, requested: 0 | 1 | 2): 0 | 1 | 2 {
    const highest = this.#allow.subscribe
      .filter((allowed) => containsFilter(allowed.filter, filter))
      .reduce((qos, { rule }) => Math.max(qos, rule.qos), 0)
    return Math.min(requested, highest) as 0 | 1 | 2
  }

  mayReceive(topic: string): boolean {
    if (topic.startsWith('$')) return false
    for (const denied of this.#deny.subscribe) if (denied.matches(topic)) return false
    for (const allowed of this.#allow.subscribe) if (allowed.matches(topic)) return true
    return false
  }

  /** Asked for every message: an allowed one makes no garbage. */
  #judgePublish({ topic, qos, retain, payloadBytes }: PublishRequest): Judgement {
    if (!isTopicName(topic)) return { refused: 'not a topic name', by: undefined }
    if (topic.startsWith('$')) return { refused: '$-topics are closed', by: undefined }
    for (const denied of this.#deny.publish)
      if (denied.matches(topic)) return { refused: `denied by ${denied.filter}`, by: denied }
    let nearest: Refused | undefined
    for (const allowed of this.#allow.publish) {
      if (!allowed.matches(topic)) continue
      const { rule } = allowed
      if (qos > rule.qos) nearest = { refused: `QoS ${rule.qos} at most on ${allowed.filter}`, by: allowed }
      else if (retain && !rule.retain) nearest = { refused: `no retained messages on ${allowed.filter}`, by: allowed }
      else if (payloadBytes > rule.payload)
        nearest = { refused: `payload above ${rule.payload} bytes on ${allowed.filter}`, by: allowed }
      else return allowed
    }
    return nearest ?? { refused: 'no rule allows this topic', by: undefined }
  }

  #judgeSubscribe(filter: string): Judgement {
    if (!isTopicFilter(filter)) return { refused: 'not a topic filter', by: undefined }
    if (filter.startsWith('$')) return { refused: '$-topics are closed', by: undefined }
    for (const denied of this.#deny.subscribe)
      if (containsFilter(denied.filter, filter)) return { refused: `denied by ${denied.filter}`, by: denied }
    for (const allowed of this.#allow.subscribe) if (containsFilter(allowed.filter, filter)) return allowed
    return { refused: 'the filter is not inside one that is allowed', by: undefined }
  }

  get #name(): string {
    const { name, version } = this.source
    return version === null ? `policy ${name}` : `policy ${name} v${version}`
  }

  #tell({ refused, by }: Refused): string {
    return by ? `${this.#name}, ${by.rule.name}: ${refused}` : `${this.#name}: ${refused}`
  }

  #explain(judgement: Judgement): Decision {
    if (judgement.refused === undefined) {
      const { rule, filter } = judgement
      return { allowed: true, rule: rule.name, filter, why: `${this.#name}, ${rule.name}: allowed by ${filter}` }
    }
    const { by } = judgement
    return { allowed: false, rule: by?.rule.name ?? null, filter: by?.filter ?? null, why: this.#tell(judgement) }
  }
}

interface Rules {
  publish: readonly Filter[]
  subscribe: readonly Filter[]
}
const none: Rules = { publish: [], subscribe: [] }

function fillRules(rules: Policy['allow' | 'deny'], list: 'allow' | 'deny', holder: PolicyHolder): Rules {
  if (rules.length === 0) return none
  const fill = (templates: readonly string[], rule: Rule) =>
    templates.map((template) => new Filter(rule, fillTemplate(template, holder)))
  const publish: Filter[] = []
  const subscribe: Filter[] = []
  for (const [index, rule] of rules.entries()) {
    if ('publish' in rule) publish.push(...fill(rule.publish, sharedRule(rule, `${list}[${index}]`)))
    else subscribe.push(...fill(rule.subscribe, sharedRule(rule, `${list}[${index}]`)))
  }
  return { publish: publish.slice(), subscribe: subscribe.slice() }
}

/** By the rule of the document, which all holders of a policy have in common. */
const shared = new WeakMap<object, Rule>()

function sharedRule(rule: (Policy['allow'] | Policy['deny'])[number], name: string): Rule {
  const known = shared.get(rule)
  if (known?.name === name) return known
  const { qos, retain, payload } = { qos: 2, retain: false, payload: 0, ...rule }
  const made = { name, qos, retain, payload }
  shared.set(rule, made)
  return made
}
