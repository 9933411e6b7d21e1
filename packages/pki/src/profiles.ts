import type { ProfileName } from '@muster/contracts'
import { oids } from './der/oids.ts'

export interface Profile {
  /** OIDs; the key usage of every profile is digitalSignature alone, RSA keys included. */
  extendedKeyUsage: readonly string[]
  /** May the certificate name hosts (DNS names and addresses) beside its SPIFFE ID? */
  namesHosts: boolean
}

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  device: { extendedKeyUsage: [oids.clientAuth], namesHosts: false },
  service: { extendedKeyUsage: [oids.clientAuth], namesHosts: false },
  server: { extendedKeyUsage: [oids.serverAuth, oids.clientAuth], namesHosts: true },
}

const dayMs = 86_400_000

/** The ceiling for every leaf certificate; no configuration can lift it. */
export const maxValidityMs = 397 * dayMs
export const maxHosts = 32
