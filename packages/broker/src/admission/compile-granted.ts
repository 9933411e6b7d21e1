import {
  type CompiledPolicy,
  choosePolicy,
  compilePolicy,
  findPreset,
  MusterError,
  openRenewalTopics,
  Policy,
  type PolicyHolder,
} from '@muster/contracts'

/** What the registry knows of a device's policy. */
export interface GrantedRow {
  profile: PolicyHolder['profile']
  /** The registry's, which may be another than the one in the certificate: the device was moved since. */
  group: string
  /** What is attached to the device, kept from its claim, attached to its group and to its fleet. */
  devicePolicy: string | null
  claimPolicy: string | null
  groupPolicy: string | null
  fleetPolicy: string | null
  /** The fleet's own policy of the name that this comes to; null for a preset. */
  policyVersion: number | null
  document: unknown
}

/**
 * The policy in force for the holder of a certificate.
 * @throws MusterError `policy-not-found`
 */
export function compileGranted(row: GrantedRow, named: PolicyHolder): CompiledPolicy {
  const { name, attachedTo } = choosePolicy({
    profile: row.profile,
    device: row.devicePolicy,
    claim: row.claimPolicy,
    group: row.groupPolicy,
    fleet: row.fleetPolicy,
  })
  const holder = { ...named, group: row.group }
  const preset = findPreset(name)
  const source = { name, version: preset ? null : row.policyVersion, attachedTo }
  return openRenewalTopics(compilePolicy(preset ?? readDocument(name, row.document), holder, source), holder)
}

const maxDocuments = 256
/** By what they say, whatever they are called: thousands of devices are under few of them. */
const documents = new Map<string, Policy>()

function readDocument(name: string, document: unknown): Policy {
  if (document === null || document === undefined)
    throw new MusterError('policy-not-found', `the fleet has no policy ${name}`)
  const text = JSON.stringify(document)
  const known = documents.get(text)
  if (known) return known
  const parsed = Policy.safeParse(document)
  if (!parsed.success) throw new MusterError('policy-not-found', `the policy ${name} cannot be read`)
  if (documents.size >= maxDocuments) documents.clear()
  documents.set(text, parsed.data)
  return parsed.data
}
