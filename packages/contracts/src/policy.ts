import { z } from 'zod'
import { Name } from './identity.ts'
import { isTopicFilter } from './topics.ts'
import { ByteSize } from './units.ts'

const variables = ['fleet', 'group', 'device', 'serial'] as const
export type PolicyVariables = Record<(typeof variables)[number], string>
const variable = new RegExp(`\\$\\{(${variables.join('|')})\\}`, 'g')

/** Names and serials have no /, + or #, so a filled template keeps its levels. */
export function fillTemplate(template: string, values: PolicyVariables): string {
  return template.replaceAll(variable, (_, name: keyof PolicyVariables) => values[name])
}

const FilterTemplate = z
  .string()
  .max(1_024)
  .refine((template) => isTopicFilter(fillTemplate(template, { fleet: 'f', group: 'g', device: 'd', serial: 's' })), {
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
