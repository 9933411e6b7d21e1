import type { Scenario } from '../scenario/schema.ts'
import type { Invariant } from './invariant.ts'
import { createJudgement } from './judgement.ts'
import type { StoredReader } from './read-stored.ts'

export function createTopicsWithinPolicy(scenario: Scenario, { now }: { now(): number }): Invariant & StoredReader {
  const classes = Object.values(scenario.devices)
  const speaks = classes.some(({ telemetry }) => telemetry.length > 0)
  let hasTrespassed = false
  let trespasses = 0
  const judgement = createJudgement({
    name: 'topics-within-policy',
    statement: 'No device publishes, hears or has anything stored but where its policy grants it.',
    now,
    expects: () => (speaks ? 'nothing is stored, and nobody has tried what is not granted' : undefined),
  })

  return {
    name: 'topics-within-policy',
    statement: judgement.verdict().statement,
    observe(observation) {
      if (observation.saw === 'fault' && observation.fault === 'trespass') hasTrespassed = true
      if (observation.saw === 'overheard')
        judgement.violated(`it heard what is not its own, on ${observation.topic}`, observation)
      if (observation.saw !== 'trespass') return
      trespasses += 1
      judgement.judged()
      const what = observation.doing === 'publish' ? 'publish to' : 'subscribe to'
      if (observation.accepted) judgement.violated(`it was let ${what} ${observation.topic}`, observation)
    },
    onStored({ device, topic, receivedAt }, { fleet }) {
      judgement.judged()
      if (!topic.startsWith(`fleets/${fleet}/devices/${device}/`))
        judgement.violated(`stored on a topic that is not its own: ${topic}`, { device, at: receivedAt })
    },
    async conclude() {
      if (hasTrespassed && trespasses === 0)
        judgement.violated('a device set out to try what is not granted, and has never said how it was answered')
    },
    verdict: judgement.verdict,
  }
}
