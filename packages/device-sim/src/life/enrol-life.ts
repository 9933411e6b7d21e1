import { type Enrolment, MusterError } from '@muster/contracts'
import { enrol, type RetryOptions } from '@muster/device'
import type { Life } from './life.ts'
import { StreamRun } from './stream-run.ts'
import { brokerOf, serialOf } from './thin-link.ts'

/** Resolves when the device has its certificate; one that was refused for good never gets there, and rejects as its power goes. */
export async function enrolLife(life: Life, signal: AbortSignal): Promise<void> {
  const { plan, equipment, world } = life
  const { store } = equipment
  await world.prepare?.(store, plan.index)
  const isKnown = (await store.loadEnrolment()) !== undefined
  if (!isKnown && plan.class.keygen === 'pool' && !(await store.loadKey()))
    await store.addKey(await world.keys.take(plan.keyAlgorithm))

  let startedAt = 0
  const enrolment = await inTurn(life, (onRetry) => {
    signal.throwIfAborted()
    startedAt = performance.now()
    return enrol({
      ...{ url: world.url, claim: world.claimOf(plan), store, signal, onRetry },
      ...{ device: plan.device, attributes: plan.attributes, keyAlgorithm: plan.keyAlgorithm },
      ...{ dial: equipment.dial, now: equipment.now },
    })
  }).catch(async (error: unknown) => {
    if (signal.aborted || !(error instanceof MusterError)) throw error
    life.refuse('enrol', error.code)
    life.takeRefusal(error.code)
    return undefined
  })
  if (!enrolment) return waitForEver(signal)
  if (!isKnown) {
    world.account.record('enrol', performance.now() - startedAt)
    tellCertificate(life, enrolment, 'enrol')
  }
  if (!life.enrolledBefore) world.account.counts.enrolled += 1
  life.enrolledBefore = true
  learnPlace(life, enrolment)
}

export function tellCertificate(life: Life, enrolment: Enrolment, by: 'enrol' | 'renew'): void {
  const { certificate, notAfter } = enrolment
  life.see({ saw: 'certificate', serial: serialOf(certificate), notAfter: Date.parse(notAfter), by })
}

/**
 * One of a few requests to the provisioner at once. Who has to wait for a second try does not keep others from their first.
 */
export async function inTurn<Result>(
  life: Life,
  ask: (onRetry: NonNullable<RetryOptions['onRetry']>) => Promise<Result>,
  doing: 'enrol' | 'renew' = 'enrol',
): Promise<Result> {
  const { promise: asked, resolve: letOthers } = Promise.withResolvers<void>()
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  void life.world.asking(() => {
    const answer = Promise.try(ask, ({ error }) => {
      letOthers()
      life.failure = error.code
      life.note(doing, error.code)
    })
    answer.then(resolve, reject).finally(letOthers)
    return asked
  })
  return promise
}

/** Where its topics are: the same at every boot. */
function learnPlace(life: Life, enrolment: Enrolment): void {
  const { device, mqtt } = enrolment
  life.broker = brokerOf(enrolment)
  life.base = `fleets/${device.fleet}/devices/${device.id}/`
  life.grants = mqtt.subscribe
  if (life.streams.length === 0)
    life.streams = life.plan.streams.map((_, index) => new StreamRun(life, index, life.base))
}

function waitForEver(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
