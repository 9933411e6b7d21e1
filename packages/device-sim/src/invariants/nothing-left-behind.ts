import { setTimeout as sleep } from 'node:timers/promises'
import type { DeviceRecord, PlatformView } from '../run/platform-view.ts'
import type { Scenario } from '../scenario/schema.ts'
import { findClass } from './find-class.ts'
import type { Invariant } from './invariant.ts'
import { createJudgement } from './judgement.ts'

interface Options {
  now(): number
  /** How long the platform may take to notice that a connection has ended. */
  patienceMs: number
}

const everyMs = 500
/** Whoever is one of these does not come back. */
const gone = ['revoked', 'retired']

type Kept = { device?: string; what: string }

export function createNothingLeftBehind(scenario: Scenario, { now, patienceMs }: Options): Invariant {
  let hasEnrolled = false
  /** Switched off in the middle: the platform finds out when they keep silent. */
  const off = new Set<string>()
  const judgement = createJudgement({
    name: 'nothing-left-behind',
    statement:
      'When all devices have ended, no connection of theirs is left on the platform, no session that nobody comes back to, no claim that anybody could use, and no socket, timer or file here.',
    now,
    expects: () => (hasEnrolled ? 'the platform knows none of the devices' : 'no device was enrolled'),
  })

  /** Sessions are kept for those that may come back, and asked for it. */
  function mayKeep({ id, state }: DeviceRecord): boolean {
    const expiryMs = scenario.devices[findClass(scenario, id) ?? '']?.mqtt.sessionExpiry
    return !gone.includes(state) && expiryMs !== 0
  }

  async function findKept(platform: PlatformView) {
    const kept: Kept[] = []
    let devices = 0
    for await (const device of platform.devices()) {
      devices += 1
      if (device.connected && !off.has(device.id))
        kept.push({ device: device.id, what: 'the platform holds it to be connected' })
      if ((device.sessionEndsAt ?? 0) > now() && !mayKeep(device))
        kept.push({ device: device.id, what: `the platform keeps a session of it, and it is ${device.state}` })
    }
    return { devices, kept }
  }

  async function findUsable(platform: PlatformView): Promise<Kept[]> {
    const usable: Kept[] = []
    for await (const { id, left } of platform.claims())
      if (left > 0) usable.push({ what: `claim ${id} can be used ${left} times more` })
    return usable
  }

  /** What is still there when the platform has had its time. */
  async function waitUntilGone<Found extends { kept: Kept[] }>(find: () => Promise<Found>): Promise<Found> {
    const until = now() + patienceMs
    for (;;) {
      const found = await find()
      if (found.kept.length === 0 || now() >= until) return found
      await sleep(everyMs)
    }
  }

  const reported = new Set<string>()
  function report(kept: readonly Kept[]) {
    for (const { what, ...where } of kept) {
      // What was there before the clearing up may still be.
      const key = `${where.device} ${what}`
      if (!reported.has(key)) judgement.violated(what, where)
      reported.add(key)
    }
  }

  return {
    name: 'nothing-left-behind',
    statement: judgement.verdict().statement,
    observe(observation) {
      if (observation.saw === 'certificate') hasEnrolled = true
      if (observation.saw === 'end' && observation.state === 'off') off.add(observation.device)
    },
    async conclude(platform, leftovers) {
      const { devices, kept } = await waitUntilGone(() => findKept(platform))
      judgement.judged(devices)
      report(kept)
      for (const leftover of leftovers) judgement.violated(`left in a worker: ${leftover}`)
    },
    async inspect(platform) {
      const { kept } = await waitUntilGone(async () => {
        const { kept } = await findKept(platform)
        return { kept: [...kept, ...(await findUsable(platform))] }
      })
      report(kept)
    },
    verdict: judgement.verdict,
  }
}
