import type { Observation } from '../observations.ts'
import type { Scenario } from '../scenario/schema.ts'
import { findClass } from './find-class.ts'
import type { Invariant } from './invariant.ts'
import { createJudgement } from './judgement.ts'

interface Life {
  isEnrolled: boolean
  hasConnected: boolean
  /** A fault that ends a device's life in the fleet for good. */
  isExcused: boolean
  hasLostAll: boolean
  hasTwin: boolean
  end: Extract<Observation, { saw: 'end' }> | undefined
}

/** What a second key with the same claim is told. */
const otherKey = ['claim-key-mismatch', 'device-taken', 'claim-exhausted']
/** The operator's doing. */
const shutOut = ['revoked', 'suspended', 'retired']

export function createNoBrickedDevice(scenario: Scenario, { now }: { now(): number }): Invariant {
  const judgement = createJudgement({
    name: 'no-bricked-device',
    statement:
      'Whatever happened to it, a device gets to work, unless its operator or a fault of its own has ended that.',
    now,
    expects: () => 'no device has said how it ended',
  })
  const lives = new Map<string, Life>()

  function lifeOf(device: string): Life {
    const none = { isEnrolled: false, hasConnected: false, isExcused: false, hasLostAll: false, hasTwin: false }
    const life = lives.get(device) ?? { ...none, end: undefined }
    lives.set(device, life)
    return life
  }

  function noteFault(life: Life, { device, fault }: Extract<Observation, { saw: 'fault' }>) {
    if (fault === 'shelf' || fault === 'lose-keys') life.isExcused = true
    if (fault === 'boot-twice') life.hasTwin = true
    // With its key gone, too, it is another device for the platform.
    if (fault === 'cut-power' && scenario.devices[findClass(scenario, device) ?? '']?.store === 'memory')
      life.hasLostAll = true
  }

  /** `state`: what the platform says of it. */
  function judge(device: string, life: Life, state: string | undefined) {
    const { end } = life
    judgement.judged()
    if (!end) return judgement.violated('it has never said how it ended', { device })
    if (state !== undefined && shutOut.includes(state)) return
    const code = end.code ? ` (${end.code})` : ''
    const isOther = (life.hasTwin || life.hasLostAll) && otherKey.includes(end.code ?? '')
    if ((end.state === 'refused' || end.state === 'stuck') && (life.isExcused || isOther)) return
    if (end.state === 'stuck') judgement.violated(`it should be at work and cannot get there${code}`, end)
    if (end.state === 'refused') judgement.violated(`it was refused for good, and nothing explains why${code}`, end)
    if (end.state === 'working' && life.isEnrolled && !life.hasConnected)
      judgement.violated('it has a certificate, and has never been connected', end)
  }

  return {
    name: 'no-bricked-device',
    statement: judgement.verdict().statement,
    observe(observation) {
      if ('attacker' in observation && observation.attacker) return
      const life = lifeOf(observation.device)
      if (observation.saw === 'certificate') life.isEnrolled = true
      if (observation.saw === 'connected') life.hasConnected = true
      if (observation.saw === 'fault') noteFault(life, observation)
      if (observation.saw === 'end') life.end = observation
    },
    async conclude(platform) {
      const states = new Map<string, string>()
      for await (const { id, state } of platform.devices()) if (shutOut.includes(state)) states.set(id, state)
      for (const [device, life] of lives) judge(device, life, states.get(device))
    },
    verdict: judgement.verdict,
  }
}
