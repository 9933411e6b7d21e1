import { setTimeout as sleep } from 'node:timers/promises'
import type { Observation } from '../observations.ts'
import type { PlatformView } from '../run/platform-view.ts'
import type { FaultKind } from '../scenario/fault.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { Invariant } from './invariant.ts'
import { codesThatExplain } from './judged-refusal.ts'
import { createJudgement } from './judgement.ts'

interface Seen {
  device: string
  code: string
  doing: string
  explains(code: string): boolean
  count: number
  firstAt: number
}

interface Options {
  now(): number
  /** How long it may take until a refusal is on record. */
  patienceMs: number
}

/** Count by code, of one device or of whom the platform does not keep by name. */
type Counts = Map<string, number>

const everyMs = 500
/** Faults of which somebody is refused for certain. */
const refused: FaultKind[] = ['boot-twice', 'steal-claim', 'trespass', 'wrong-ca', 'lose-keys']

export function createRefusalsExplained(_scenario: Scenario, { now, patienceMs }: Options): Invariant {
  let hasFault = false
  const judgement = createJudgement({
    name: 'refusals-explained',
    statement:
      'Every refusal that a device has seen is on record for it within seconds, with the reason and what to do.',
    now,
    expects: () => (hasFault ? 'a fault was played that is refused, and nobody has seen a refusal' : undefined),
  })
  const seen = new Map<string, Seen>()
  const reported = new Set<Seen>()

  function note({ device, doing, code, at }: Extract<Observation, { saw: 'refused' }>) {
    const explains = codesThatExplain({ doing, code })
    if (!explains) return
    judgement.judged()
    const key = `${device} ${doing} ${code}`
    const known = seen.get(key)
    if (known) known.count += 1
    else seen.set(key, { device, code, doing, explains, count: 1, firstAt: at })
  }

  async function readRecord(platform: PlatformView) {
    const byDevice = new Map<string, Counts>()
    for await (const { device, code, count, advice } of platform.refusals()) {
      if (advice.trim() === '') continue
      const counts = byDevice.get(device) ?? new Map<string, number>()
      counts.set(code, (counts.get(code) ?? 0) + count)
      byDevice.set(device, counts)
    }
    return byDevice
  }

  /** How many of them are not on record, neither by name nor among those that are merged. */
  function countMissing(one: Seen, record: ReadonlyMap<string, Counts>): number {
    const found = (counts: Counts = new Map()) =>
      [...counts].reduce((sum, [code, count]) => (one.explains(code) ? sum + count : sum), 0)
    return Math.max(0, one.count - found(record.get(one.device)) - found(record.get('')))
  }

  function report(one: Seen, missing: number) {
    if (reported.has(one)) return
    reported.add(one)
    const { device, code, doing, count, firstAt } = one
    judgement.violated(`refused to ${doing} (${code}): ${missing} of ${count} are not on record`, {
      device,
      at: firstAt,
    })
  }

  return {
    name: 'refusals-explained',
    statement: judgement.verdict().statement,
    observe(observation) {
      if (observation.saw === 'refused') note(observation)
      if (observation.saw === 'fault' && refused.includes(observation.fault)) hasFault = true
    },
    async look(platform) {
      // Whether all of them are there is counted at the end: more may have come since.
      const due = [...seen.values()].filter((one) => !reported.has(one) && one.firstAt + patienceMs < now())
      if (due.length === 0) return
      const record = await readRecord(platform)
      for (const one of due) if (countMissing(one, record) === one.count) report(one, one.count)
    },
    async conclude(platform) {
      const until = now() + patienceMs
      for (;;) {
        const record = await readRecord(platform)
        const open = [...seen.values()].filter((one) => countMissing(one, record) > 0)
        if (open.length === 0) return
        if (now() >= until) {
          for (const one of open) report(one, countMissing(one, record))
          return
        }
        await sleep(everyMs)
      }
    },
    verdict: judgement.verdict,
  }
}
