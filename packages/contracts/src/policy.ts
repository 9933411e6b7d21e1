import { z } from 'zod'
import type { Identity } from './identity.ts'
import { Name } from './identity.ts'
import { containsFilter, isTopicFilter, isTopicName, matchesFilter } from './topics.ts'
import { ByteSize } from './units.ts'

const variables = ['fleet', 'group', 'device', 'serial'] as const
type Variables = Record<(typeof variables)[number], string>
const variable = new RegExp(`\\$\\{(${variables.join('|')})\\}`, 'g')

const FilterTemplate = z
  .string()
  .max(1_024)
  .refine((template) => isTopicFilter(fill(template, { fleet: 'f', group: 'g', device: 'd', serial: 's' })), {
    message: 'is not a topic filter',
  })
  .refine((template) => !template.startsWith('$') || template.startsWith('${'), { message: '$-topics are closed' })
  .refine((template) => !template.replaceAll(variable, '').includes('${'), {
    message: `knows only the variables ${variables.map((name) => `\${${name}}`).join(' ')}`,
  })

const Filters = z.array(FilterTemplate).min(1).max(64)
const Qos = z.union([z.literal(0), z.literal(1), z.literal(2)])

const AllowRule = z.union([
  z.strictObject({
    publish: Filters,
    qos: Qos.default(2).describe('the highest QoS'),
    retain: z.boolean().default(false),
    payload: ByteSize.default(131_072).describe('the largest payload'),
  }),
  z.strictObject({ subscribe: Filters, qos: Qos.default(2).describe('the highest QoS granted') }),
])
const DenyRule = z.union([z.strictObject({ publish: Filters }), z.strictObject({ subscribe: Filters })])

const mebibyte = 1_048_576
const bytesWithin = (least: number, most: number) =>
  ByteSize.refine((bytes) => bytes >= least && bytes <= most, `must be between ${least} and ${most} bytes`)

/** What one connection may ask of a broker; the ceilings are those that a node can stand. */
export const PolicyLimits = z
  .strictObject({
    messagesPerSecond: z.int().min(1).max(100_000).default(100).describe('published'),
    bytesPerSecond: bytesWithin(1_024, 256 * mebibyte)
      .default(mebibyte)
      .describe('published'),
    subscriptions: z.int().min(0).max(10_000).default(20),
    queuedMessages: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe("for an absent holder; the broker's bound if absent"),
    queuedBytes: bytesWithin(1_024, 64 * mebibyte)
      .optional()
      .describe("for an absent holder; the broker's bound if absent"),
  })
  .meta({ id: 'PolicyLimits' })
export type PolicyLimits = z.infer<typeof PolicyLimits>

/** What the holder of a certificate may publish and subscribe. Nothing is allowed that no rule allows; `deny` wins. */
export const Policy = z
  .strictObject({
    name: Name,
    allow: z.array(AllowRule).max(64),
    deny: z.array(DenyRule).max(64).default([]),
    limits: PolicyLimits.default(PolicyLimits.parse({})),
  })
  .meta({ id: 'Policy' })
export type Policy = z.infer<typeof Policy>

/** The policies that every fleet has. */
export const presetPolicies: Readonly<Record<'device' | 'service', Policy>> = {
  device: Policy.parse({
    name: 'device',
    allow: [
      {
        publish: ['telemetry', 'events', 'state'].map((kind) => `fleets/\${fleet}/devices/\${device}/${kind}/#`),
        retain: false,
        payload: '128KiB',
      },
      {
        subscribe: ['fleets/${fleet}/devices/${device}/commands/#', 'fleets/${fleet}/groups/${group}/broadcast/#'],
      },
    ],
  }),
  service: Policy.parse({
    name: 'service',
    allow: [
      {
        publish: ['fleets/${fleet}/devices/+/commands/#', 'fleets/${fleet}/groups/+/broadcast/#'],
        retain: true,
      },
      { subscribe: ['fleets/${fleet}/#'] },
    ],
    limits: { messagesPerSecond: 10_000, bytesPerSecond: '64MiB', subscriptions: 1_000 },
  }),
}

export function findPreset(name: string): Policy | undefined {
  return Object.hasOwn(presetPolicies, name) ? presetPolicies[name as keyof typeof presetPolicies] : undefined
}

export interface PublishRequest {
  topic: string
  qos: 0 | 1 | 2
  retain: boolean
  payloadBytes: number
}

/** A policy with its variables filled in: compiled once a connection, asked once a message. Every answer is pure. */
export interface CompiledPolicy {
  /** The filters the holder may publish within and subscribe within, variables filled in. */
  publish: readonly string[]
  subscribe: readonly string[]
  limits: PolicyLimits
  /** `undefined` when allowed, otherwise why not. */
  refusePublish(request: PublishRequest): string | undefined
  refuseSubscribe(filter: string): string | undefined
  /** The highest QoS granted for a filter that is allowed. */
  grantedQos(filter: string, requested: 0 | 1 | 2): 0 | 1 | 2
  /** Checked for each message on its way out, queued and retained ones included. */
  mayReceive(topic: string): boolean
}

export function compilePolicy(policy: Policy, identity: Identity & { serial: string }): CompiledPolicy {
  const filled = (templates: readonly string[]) => templates.map((template) => fill(template, identity))
  const publishRules = policy.allow.flatMap((rule) =>
    'publish' in rule ? filled(rule.publish).map((filter) => ({ ...rule, filter, matches: matcher(filter) })) : [],
  )
  const subscribeRules = policy.allow.flatMap((rule) =>
    'subscribe' in rule
      ? filled(rule.subscribe).map((filter) => ({ qos: rule.qos, filter, matches: matcher(filter) }))
      : [],
  )
  const denyPublish = policy.deny.flatMap((rule) => ('publish' in rule ? filled(rule.publish) : []))
  const denySubscribe = policy.deny.flatMap((rule) => ('subscribe' in rule ? filled(rule.subscribe) : []))

  return {
    publish: publishRules.map((rule) => rule.filter),
    subscribe: subscribeRules.map((rule) => rule.filter),
    limits: policy.limits,

    refusePublish({ topic, qos, retain, payloadBytes }) {
      if (!isTopicName(topic)) return 'not a topic name'
      if (topic.startsWith('$')) return '$-topics are closed'
      for (const filter of denyPublish) if (matchesFilter(filter, topic)) return `denied by ${filter}`
      let nearest = 'no rule allows this topic'
      for (const rule of publishRules) {
        if (!rule.matches(topic)) continue
        if (qos > rule.qos) nearest = `QoS ${rule.qos} at most on ${rule.filter}`
        else if (retain && !rule.retain) nearest = `no retained messages on ${rule.filter}`
        else if (payloadBytes > rule.payload) nearest = `payload above ${rule.payload} bytes on ${rule.filter}`
        else return undefined
      }
      return nearest
    },

    refuseSubscribe(filter) {
      if (!isTopicFilter(filter)) return 'not a topic filter'
      if (filter.startsWith('$')) return '$-topics are closed'
      for (const denied of denySubscribe) if (containsFilter(denied, filter)) return `denied by ${denied}`
      if (subscribeRules.some((rule) => containsFilter(rule.filter, filter))) return undefined
      return 'the filter is not inside one that is allowed'
    },

    grantedQos(filter, requested) {
      const highest = subscribeRules
        .filter((rule) => containsFilter(rule.filter, filter))
        .reduce((qos, rule) => Math.max(qos, rule.qos), 0)
      return Math.min(requested, highest) as 0 | 1 | 2
    },

    mayReceive(topic) {
      if (topic.startsWith('$')) return false
      if (denySubscribe.some((denied) => matchesFilter(denied, topic))) return false
      return subscribeRules.some((rule) => rule.matches(topic))
    },
  }
}

// Names and serials have no /, + or #, so a filled template keeps its levels.
function fill(template: string, values: Variables): string {
  return template.replaceAll(variable, (_, name: keyof Variables) => values[name])
}

// Nearly every filter is a prefix and `#`: that case is two string comparisons.
function matcher(filter: string): (topic: string) => boolean {
  const prefix = /^([^+#]+)\/#$/.exec(filter)?.[1]
  if (prefix === undefined) return (topic) => matchesFilter(filter, topic)
  const below = `${prefix}/`
  return (topic) => topic.startsWith(below) || topic === prefix
}
