import { loadCredentials } from '@muster/device'
import type { ActorContext } from '../faults/actor.ts'
import type { Life } from './life.ts'

/** Lets those begin who make trouble in the name of a device. */
export function startActors(life: Life, at: 'boot' | 'connected'): void {
  const actors = life.equipment.actors.filter((actor) => actor.at === at)
  if (actors.length === 0) return
  const { world } = life
  const context = contextOf(life)
  for (const { act } of actors)
    act(context).catch((error: unknown) => {
      if (!world.acting.aborted) world.fail(error)
    })
}

function contextOf(life: Life): ActorContext {
  const { world, plan, equipment } = life
  return {
    ...{ plan, run: world.run, claim: world.claimOf(plan), url: world.url, signal: world.acting },
    credentials: () => loadCredentials(equipment.store),
    // Known to the device once it has enrolled: who acts before that asks the provisioner itself.
    get broker() {
      return life.broker ?? { host: new URL(world.url).hostname, port: 8_883 }
    },
    observe: (seen) => life.see(seen),
    note: (doing, code, expected) => world.account.note(doing, code, expected),
    refused: life.refused,
    voice: () => life.link?.voice(),
  }
}
