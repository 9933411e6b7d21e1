import { keepRenewed } from '@muster/device'
import { createWorld } from '../life/create-world.ts'
import type { World } from '../life/world.ts'
import type { Observation } from '../observations.ts'
import type { Emit } from './events.ts'
import type { FleetSettings } from './settings.ts'
import { createTally, type Tally } from './summary.ts'

/** What all devices of an endless fleet share. */
export interface Stage {
  world: World
  tally: Tally
  emit: Emit
  /** Has one for each device; undefined: they are forgotten with the process. */
  directory: string | undefined
}

export function setStage(
  settings: FleetSettings,
  { emit, fail, signal }: Pick<World, 'fail' | 'signal'> & Pick<Stage, 'emit'>,
): Stage {
  const { prefix, seed, url, claim, store: directory } = settings
  const world = createWorld({
    ...{ run: prefix, seed, url, fail, signal, acting: signal },
    claimOf: () => claim,
    prepare: undefined,
    observe: createObserver(emit),
    keepRenewed: (life, client) => (settings.renew ? renewForLife(life, client) : undefined),
  })
  const tally = createTally(world.account, settings)
  const renewForLife = createRenewal(settings, { emit, tally })
  return { world, tally, emit, directory }
}

/** What devices see becomes events. */
function createObserver(emit: Emit): (seen: Observation) => void {
  const enrolled = new Set<string>()
  return ({ device, ...seen }) => {
    // One whose certificate is in its store already tells nothing before it is connected.
    if ((seen.saw === 'certificate' || seen.saw === 'connected') && !enrolled.has(device)) {
      enrolled.add(device)
      emit({ type: 'enrolled', device })
    }
    if (seen.saw === 'connected') emit({ type: 'connected', device })
    if (seen.saw !== 'closed' || seen.byUs) return
    const { reasonCode } = seen
    emit({ type: 'closed', device, ...(reasonCode !== undefined && { reasonCode }) })
  }
}

/** By the SDK, which asks the provisioner when, as a device of one's own does. */
function createRenewal(
  { newKeys: newKey, keyAlgorithm }: FleetSettings,
  { emit, tally }: Pick<Stage, 'emit' | 'tally'>,
): NonNullable<World['keepRenewed']> {
  return (life, client) =>
    keepRenewed({
      ...{ store: life.equipment.store, client, newKey, keyAlgorithm },
      onEvent(event) {
        if (event.type === 'failed') life.note('renew', event.error.code)
        if (event.type === 'renewed') life.presentsNext = true
        if (event.type !== 'admitted') return
        tally.renew(event.overlapMs)
        emit({ type: 'renewed', device: life.plan.device, ms: event.overlapMs })
      },
    })
}
