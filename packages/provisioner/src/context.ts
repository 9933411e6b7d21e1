import type { Db } from '@muster/db'
import type { Logger } from 'pino'
import type { Issuers } from './issuers/open.ts'
import type { Metrics } from './metrics.ts'

export interface Settings {
  trustDomain: string
  /** The name or address that devices use for this platform. */
  publicHost: string
  mqttPort: number
  /** How long the certificate of a device or a service lives. */
  validityMs: number
}

export interface Deps {
  db: Db
  issuers: Issuers
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
