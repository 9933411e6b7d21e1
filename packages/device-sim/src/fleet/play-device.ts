import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrorCode } from '@muster/contracts'
import { type DeviceStore, memoryStore, openStore } from '@muster/device'
import type { Equipment } from '../faults/equipment.ts'
import { Life } from '../life/life.ts'
import type { DevicePlan } from '../plan/device-plan.ts'
import type { Stage } from './set-stage.ts'

const lookMs = 10
const lastWordsMs = 2_000

/** The life of one device, until the fleet ends or the device was refused for good. */
export async function playDevice(plan: DevicePlan, { world, tally, emit, directory }: Stage): Promise<void> {
  const { device } = plan
  const store = directory === undefined ? memoryStore() : await openStore(join(directory, device))
  const life = new Life(world, plan, () => equipPlainly(store, () => emit({ type: 'published', device })))
  life.boot()
  await untilOver(life)
  const { refusal } = life
  if (refusal !== undefined) {
    tally.refuse()
    // As the SDK has it where a broker has told no more than MQTT's number.
    emit({ type: 'refused', device, code: isErrorCode(refusal) ? refusal : 'forbidden' })
  }
  for (const stream of life.streams) stream.stop()
  await untilAcknowledged(life)
  life.shutDown()
}

async function untilOver({ refused, world: { signal } }: Life): Promise<void> {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const onAbort = () => end()
  signal.addEventListener('abort', onAbort, { once: true })
  if (!signal.aborted) await Promise.race([refused, ended])
  signal.removeEventListener('abort', onAbort)
}

/** Lets what is in flight be acknowledged, if the broker is there to do it. */
async function untilAcknowledged(life: Life): Promise<void> {
  const end = performance.now() + lastWordsMs
  while (life.link && life.link.unacknowledged > 0 && performance.now() < end) await sleep(lookMs)
}

/** Nothing goes wrong with it: its network and its clock are the machine's. */
function equipPlainly(store: DeviceStore, onPublished: () => void): Equipment {
  return {
    ...{ store, dial: undefined, now: undefined, actors: [] },
    boot: () => undefined,
    calm: () => undefined,
    expects: () => false,
    step(step) {
      if (step === 'published') onPublished()
    },
  }
}
