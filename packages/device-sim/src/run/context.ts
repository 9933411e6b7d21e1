import type { OperatorApi } from '../operator/operator-api.ts'
import type { Revocations } from '../operator/revoke.ts'
import type { Commander } from '../operator/send-commands.ts'
import type { Service } from '../operator/service.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { Crew } from './crew.ts'
import type { Following } from './follow-devices.ts'
import type { Tally } from './tally.ts'

/** The platform, as the run acts on it. */
export interface Platform {
  operator: OperatorApi
  fleet: string
  service: Service
  revocations: Revocations
  commander: Commander
}

/** What the phases of a run work with. */
export interface RunContext {
  scenario: Scenario
  prefix: string
  crew: Crew
  tally: Tally
  following: Following
  /** Undefined where it is any broker. */
  platform: Platform | undefined
}
