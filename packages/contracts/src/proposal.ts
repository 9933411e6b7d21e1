import { z } from 'zod'
import { Name } from './identity.ts'
import { Policy } from './policy.ts'
import { PolicyLevel, PolicySource } from './policy-source.ts'

const Becomes = z.object({ source: PolicySource, document: Policy })

/** A change of policies, in the terms of sessions: which ones it would reach, and what would be in force for them. */
export const Proposal = z.object({
  fleet: Name,
  device: Name.nullable(),
  group: Name.nullable(),
  /** Only sessions that are under this policy. */
  policy: Name.nullable(),
  /** Only sessions whose policy is attached here; to the others something more specific stays attached. */
  levels: z.array(PolicyLevel),
  /** The group that its devices would be in. */
  moveTo: Name.nullable(),
  becomes: z.object({ device: Becomes, service: Becomes }),
})
export type Proposal = z.infer<typeof Proposal>

/** What one broker node says of it. */
export const PreviewAnswer = z.object({
  sessions: z.int(),
  devices: z.int(),
  subscriptions: z.int(),
  first: z.array(z.object({ device: Name, filters: z.array(z.string()) })),
})
export type PreviewAnswer = z.infer<typeof PreviewAnswer>

/** So many devices a node names at most. */
export const previewedDevices = 100
