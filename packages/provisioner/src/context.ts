import type { Db } from '@muster/db'
import type { Issuer } from '@muster/pki'
import type { Logger } from 'pino'
import type { Metrics } from './metrics.ts'

export interface Settings {
  trustDomain: string
  /** The name or address that devices use for this platform. */
  publicHost: string
  mqttPort: number
  /** How long a leaf certificate lives. */
  validityMs: number
}

export interface Deps {
  db: Db
  issuer: Issuer
  settings: Settings
  log: Logger
  now: () => Date
  metrics: Metrics
}

/** What a verb gets: the process' parts, and on whose behalf it acts. */
export interface Context extends Deps {
  actor: string
  requestId?: string | undefined
}
