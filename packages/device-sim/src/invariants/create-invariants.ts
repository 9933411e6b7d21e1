import type { Scenario } from '../scenario/schema.ts'
import type { Invariant } from './invariant.ts'
import { createNoBrickedDevice } from './no-bricked-device.ts'
import { createNothingLeftBehind } from './nothing-left-behind.ts'
import { createOneCertificate } from './one-certificate.ts'
import { createStoredReading } from './read-stored.ts'
import { createRefusalsExplained } from './refusals-explained.ts'
import { createSilentAfterReceipt } from './silent-after-receipt.ts'
import { createStoredOnce } from './stored-once.ts'
import { createTopicsWithinPolicy } from './topics-within-policy.ts'

interface Options {
  now?(): number
  /** How long the platform may take to write down what it knows. */
  patienceMs?: number
}

/** All of them, for one run. */
export function createInvariants(
  scenario: Scenario,
  { now = Date.now, patienceMs = 10_000 }: Options = {},
): Invariant[] {
  const stored = createStoredOnce(scenario, { now })
  const silent = createSilentAfterReceipt(scenario, { now })
  const topics = createTopicsWithinPolicy(scenario, { now })
  const read = createStoredReading([stored, silent, topics])
  const afterReading = (invariant: Invariant): Invariant => ({
    ...invariant,
    async conclude(platform, leftovers) {
      await read(platform)
      await invariant.conclude(platform, leftovers)
    },
  })
  return [
    createNoBrickedDevice(scenario, { now }),
    createOneCertificate(scenario, { now }),
    afterReading(stored),
    afterReading(silent),
    afterReading(topics),
    createRefusalsExplained(scenario, { now, patienceMs }),
    createNothingLeftBehind(scenario, { now, patienceMs }),
  ]
}
