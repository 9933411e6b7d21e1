import { setTimeout as sleep } from 'node:timers/promises'
import type { PlatformView } from '../run/platform-view.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { Invariant } from './invariant.ts'
import { createJudgement } from './judgement.ts'

interface Options {
  now(): number
  /** How long the platform may take to notice that a connection has ended. */
  patienceMs: number
}

const everyMs = 500

export function createNothingLeftBehind(_scenario: Scenario, { now, patienceMs }: Options): Invariant {
  let hasEnrolled = false
  /** Switched off in the middle: the platform finds out when they keep silent. */
  const off = new Set<string>()
  const judgement = createJudgement({
    name: 'nothing-left-behind',
    statement:
      'When all devices have ended, no connection of theirs is left on the platform, and no socket, timer or file here.',
    now,
    expects: () => (hasEnrolled ? 'the platform knows none of the devices' : 'no device was enrolled'),
  })

  async function listConnected(platform: PlatformView) {
    let devices = 0
    const connected: string[] = []
    for await (const device of platform.devices()) {
      devices += 1
      if (device.connected && !off.has(device.id)) connected.push(device.id)
    }
    return { devices, connected }
  }

  return {
    name: 'nothing-left-behind',
    statement: judgement.verdict().statement,
    observe(observation) {
      if (observation.saw === 'certificate') hasEnrolled = true
      if (observation.saw === 'end' && observation.state === 'off') off.add(observation.device)
    },
    async conclude(platform, leftovers) {
      const until = now() + patienceMs
      let found = await listConnected(platform)
      while (found.connected.length > 0 && now() < until) {
        await sleep(everyMs)
        found = await listConnected(platform)
      }
      judgement.judged(found.devices)
      for (const device of found.connected) judgement.violated('the platform holds it to be connected', { device })
      for (const leftover of leftovers) judgement.violated(`left in a worker: ${leftover}`)
    },
    verdict: judgement.verdict,
  }
}
