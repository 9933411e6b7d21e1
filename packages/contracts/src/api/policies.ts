import { z } from 'zod'
import { changeKinds } from '../changes.ts'
import { DeviceState } from '../device-state.ts'
import { Name } from '../identity.ts'
import { Policy } from '../policy.ts'
import { PolicySource } from '../policy-source.ts'
import { isTopicFilter, isTopicName } from '../topics.ts'
import { Instant } from './paging.ts'

export const PolicyRecord = z
  .object({
    name: Name,
    version: z.int().nullable().describe('null for a preset, which every fleet has and nobody changes'),
    document: Policy,
    savedBy: z.string().nullable(),
    savedAt: Instant.nullable(),
  })
  .meta({ id: 'PolicyRecord' })
export type PolicyRecord = z.infer<typeof PolicyRecord>

/** The number of a change that brokers are told of; null where there is nothing to tell. */
const Change = z.string().nullable().describe('GET /v1/changes/{id} has its receipts; null where nothing changed')

export const SavedPolicy = PolicyRecord.extend({ change: Change }).meta({ id: 'SavedPolicy' })
export type SavedPolicy = z.infer<typeof SavedPolicy>

export const AttachedPolicy = PolicyRecord.extend({
  attached: z.object({
    fleet: z.boolean(),
    groups: z.array(Name),
    claims: z.int().describe('that can still be used'),
    devices: z.int().describe('to which it is attached, or whose claim has named it'),
  }),
}).meta({ id: 'AttachedPolicy' })
export type AttachedPolicy = z.infer<typeof AttachedPolicy>

export const Group = z
  .object({
    name: Name,
    policy: Name.nullable(),
    devices: z.int().describe('those that are retired are not counted'),
    connected: z.int(),
  })
  .meta({ id: 'Group' })
export type Group = z.infer<typeof Group>

export const ChangedGroup = Group.extend({ change: Change }).meta({ id: 'ChangedGroup' })
export type ChangedGroup = z.infer<typeof ChangedGroup>

export const CreateGroupRequest = z
  .strictObject({ name: Name, policy: Name.nullable().default(null) })
  .meta({ id: 'CreateGroupRequest' })
export type CreateGroupRequest = z.infer<typeof CreateGroupRequest>

export const AttachRequest = z
  .strictObject({ policy: Name.nullable().describe('null takes off what is attached') })
  .meta({ id: 'AttachRequest' })
export type AttachRequest = z.infer<typeof AttachRequest>

const Publication = z.strictObject({
  topic: z.string().refine(isTopicName, 'is not a topic name'),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(0),
  retain: z.boolean().default(false),
  bytes: z.int().min(0).default(0).describe('of the payload'),
})

export const CheckRequest = z
  .strictObject({
    device: Name,
    publish: Publication.optional(),
    subscribe: z.string().refine(isTopicFilter, 'is not a topic filter').optional(),
  })
  .refine(({ publish, subscribe }) => (publish === undefined) !== (subscribe === undefined), {
    message: 'give publish or subscribe',
  })
  .meta({ id: 'CheckRequest' })
export type CheckRequest = z.infer<typeof CheckRequest>

export const Check = z
  .object({
    allowed: z.boolean(),
    why: z.string(),
    rule: z.string().nullable().describe('the rule that decided, like deny[0]'),
    filter: z.string().nullable().describe('its filter that decided, variables filled in'),
    text: z.record(z.string(), z.unknown()).nullable().describe('the rule as it stands in the document'),
    policy: PolicySource,
    device: Name,
    group: Name,
    state: DeviceState,
  })
  .meta({ id: 'Check' })
export type Check = z.infer<typeof Check>

export const PreviewRequest = z
  .strictObject({
    save: Policy.optional(),
    attach: z
      .strictObject({ policy: Name.nullable(), group: Name.optional(), device: Name.optional() })
      .refine(({ group, device }) => group === undefined || device === undefined, 'give a group or a device')
      .optional()
      .describe('to the fleet, where neither group nor device is given'),
    move: z.strictObject({ device: Name, group: Name }).optional(),
  })
  .refine((request) => Object.values(request).filter((part) => part !== undefined).length === 1, {
    message: 'give one of save, attach and move',
  })
  .meta({ id: 'PreviewRequest' })
export type PreviewRequest = z.infer<typeof PreviewRequest>

export const Preview = z
  .object({
    sessions: z.int().describe('live sessions that would be under another policy, or in another group'),
    devices: z.int().describe('devices that would lose subscriptions'),
    subscriptions: z.int().describe('subscriptions that would end'),
    first: z.array(z.object({ device: Name, filters: z.array(z.string()) })).describe('of these devices, some'),
    missing: z.array(z.string()).describe('broker nodes that did not answer in time: the numbers lack theirs'),
  })
  .meta({ id: 'Preview' })
export type Preview = z.infer<typeof Preview>

export const ChangeReport = z
  .object({
    change: z.string(),
    kind: z.enum(changeKinds),
    device: Name.nullable(),
    group: Name.nullable(),
    policy: Name.nullable(),
    at: Instant,
    complete: z.boolean().describe('every broker node that may hold a session has answered'),
    nodes: z.array(
      z.object({
        node: z.string(),
        connectionsClosed: z.int(),
        sessionPurged: z.boolean(),
        sessionsChanged: z.int(),
        subscriptionsCut: z.int(),
        at: Instant,
      }),
    ),
  })
  .meta({ id: 'ChangeReport' })
export type ChangeReport = z.infer<typeof ChangeReport>
