import type { StoredMessage } from '../run/platform-view.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { Invariant } from './invariant.ts'
import { createJudgement } from './judgement.ts'
import { Ranges } from './ranges.ts'
import type { StoredReader } from './read-stored.ts'

/** What a device knows of one of its streams. */
interface Sent {
  acknowledged: Ranges
  /** The last number that was given; undefined where the device did not get to say. */
  last: number | undefined
}

/** The same stream as it is stored. */
interface Kept {
  /** Rows that are not marked; and of any kind. */
  unmarked: Ranges
  all: Ranges
}

export function createStoredOnce(scenario: Scenario, { now }: { now(): number }): Invariant & StoredReader {
  const asksForAnswers = Object.values(scenario.devices).some(({ telemetry }) => telemetry.some(isAnswered))
  const judgement = createJudgement({
    name: 'stored-once',
    statement:
      'Every acknowledged message is stored exactly once, in the order in which it was sent; what is stored again is marked as a duplicate, and nothing is stored that nobody has sent.',
    now,
    expects: () => (asksForAnswers ? 'no message was acknowledged' : undefined),
  })
  const sent = new Map<string, Map<string, Sent>>()
  let device = ''
  let kept = new Map<string, Kept>()

  function sentOn(id: string, topic: string): Sent {
    const topics = sent.get(id) ?? new Map<string, Sent>()
    sent.set(id, topics)
    const known = topics.get(topic) ?? { acknowledged: new Ranges(), last: undefined }
    topics.set(topic, known)
    return known
  }

  /** Nothing more comes of it. */
  function judgeDevice(id: string, stored: ReadonlyMap<string, Kept>) {
    for (const [topic, { acknowledged }] of sent.get(id) ?? []) {
      judgement.judged(acknowledged.count)
      const lost = acknowledged.without(stored.get(topic)?.all ?? new Ranges())
      if (lost.count > 0) judgement.violated(`acknowledged and not stored: ${lost} on ${topic}`, { device: id })
    }
    sent.delete(id)
  }

  function judgeMessage({ topic, n, duplicate, receivedAt }: StoredMessage & { n: number }) {
    const told = sent.get(device)?.get(topic)
    const where = { device, at: receivedAt }
    const last = Math.max(told?.last ?? 0, told?.acknowledged.last ?? 0)
    const isEnded = told?.last !== undefined
    if (!told || (isEnded && n > last)) judgement.violated(`stored, and nobody has sent it: ${n} on ${topic}`, where)
    const stream = kept.get(topic) ?? { unmarked: new Ranges(), all: new Ranges() }
    kept.set(topic, stream)
    const before = stream.all.last
    const isNew = stream.all.add(n) > 0
    if (isNew && n < before) judgement.violated(`stored out of order: ${n} after ${before} on ${topic}`, where)
    if (!duplicate && stream.unmarked.add(n) === 0)
      judgement.violated(`stored twice, unmarked: ${n} on ${topic}`, where)
  }

  return {
    name: 'stored-once',
    statement: judgement.verdict().statement,
    observe(observation) {
      if (observation.saw === 'acknowledged')
        sentOn(observation.device, observation.topic).acknowledged.add(observation.from, observation.to)
      if (observation.saw === 'sent') {
        const stream = sentOn(observation.device, observation.topic)
        stream.last = Math.max(stream.last ?? 0, observation.last)
      }
    },
    onStored(message) {
      if (message.device !== device) {
        judgeDevice(device, kept)
        device = message.device
        kept = new Map()
      }
      const { n } = message
      if (n !== undefined) judgeMessage({ ...message, n })
    },
    async conclude() {
      judgeDevice(device, kept)
      // Those of which nothing at all is stored.
      for (const id of sent.keys()) judgeDevice(id, new Map())
    },
    verdict: judgement.verdict,
  }
}

const isAnswered = ({ qos }: { qos: string | Partial<Record<string, number>> }) =>
  typeof qos === 'string' ? qos !== '0' : Object.keys(qos).some((level) => level !== '0')
