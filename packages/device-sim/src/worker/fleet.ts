import { createWorld } from '../life/create-world.ts'
import { Life } from '../life/life.ts'
import type { World } from '../life/world.ts'
import { createPreparation } from '../plain/prepare-store.ts'
import { planDevice } from '../plan/plan-device.ts'
import { parseScenario } from '../scenario/parse-scenario.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { Scheduler } from '../telemetry/scheduler.ts'
import type { Account } from './account.ts'
import type { Assignment } from './messages.ts'

/** The devices of one worker, and all that they share. */
export interface Fleet {
  scenario: Scenario
  account: Account
  scheduler: Scheduler
  /** By their index in the whole fleet. */
  lives: Map<number, Life>
  byName: Map<string, Life>
  /** Ends those who make trouble, then the devices. */
  acting: AbortController
  living: AbortController
}

export function createFleet(assignment: Assignment, { observe, fail }: Pick<World, 'observe' | 'fail'>): Fleet {
  const { scenario } = parseScenario(assignment.scenario)
  const { run, url, claims, prefix, fleet, from, to, ready } = assignment
  const acting = new AbortController()
  const living = new AbortController()
  const world = createWorld({
    ...{ run, url, observe, fail, seed: scenario.seed },
    claimOf: ({ device, className }) => claims[device] ?? claims[className] ?? '',
    prepare: ready && createPreparation(ready, fleet),
    keepRenewed: undefined,
    acting: acting.signal,
    signal: living.signal,
  })
  const { account, scheduler, keys } = world
  const lives = new Map<number, Life>()
  const byName = new Map<string, Life>()
  for (let index = from; index < to; index += 1) {
    const life = new Life(world, planDevice(scenario, prefix, index))
    lives.set(index, life)
    byName.set(life.plan.device, life)
    if (life.plan.class.keygen === 'pool' && !ready) keys.expect(life.plan.keyAlgorithm, 1)
  }
  return { scenario, account, scheduler, lives, byName, acting, living }
}
