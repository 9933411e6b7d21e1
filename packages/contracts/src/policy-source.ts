import { z } from 'zod'
import { type Identity, Name } from './identity.ts'
import { findPreset } from './policy.ts'

/** What a policy can be attached to, the most specific first; `preset` is what holds where nothing is attached. */
export const policyLevels = ['device', 'claim', 'group', 'fleet', 'preset'] as const
export const PolicyLevel = z.enum(policyLevels)
export type PolicyLevel = z.infer<typeof PolicyLevel>

/** Which document is in force, and why that one. */
export const PolicySource = z
  .object({
    name: Name,
    version: z.int().nullable().describe('null for a preset'),
    attachedTo: PolicyLevel,
  })
  .meta({ id: 'PolicySource' })
export type PolicySource = z.infer<typeof PolicySource>

/** What is attached where, as far as it concerns one device. */
export interface AttachedPolicies {
  profile: Identity['profile']
  device: string | null
  claim: string | null
  group: string | null
  fleet: string | null
}

export const presetOf = (profile: Identity['profile']) => (profile === 'device' ? 'device' : 'service')

/** The most specific one wins. */
export function choosePolicy(attached: AttachedPolicies): { name: string; attachedTo: PolicyLevel } {
  for (const level of policyLevels) {
    const name = level === 'preset' ? presetOf(attached.profile) : attached[level]
    if (name !== null) return { name, attachedTo: level }
  }
  throw new Error('a preset is always there')
}

/** Presets have their names in every fleet: no fleet can have a policy of its own that is called so. */
export const isPresetName = (name: string) => findPreset(name) !== undefined
