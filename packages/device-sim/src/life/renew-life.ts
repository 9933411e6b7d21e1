import { MusterError } from '@muster/contracts'
import { renew } from '@muster/device'
import { createRandom } from '../random.ts'
import { inTurn, tellCertificate } from './enrol-life.ts'
import type { Life } from './life.ts'

/** Gets another certificate, and presents it to the broker: from then on it is the one. */
export function renewLife(life: Life, newKeys: boolean): void {
  if (life.renewing) return
  life.power.run(async (signal) => {
    life.renewing = true
    try {
      if (!(await getNext(life, newKeys, signal))) return
      // The platform sees the new certificate with the next connection.
      life.present()
      renewWhenDue(life)
    } finally {
      if (!signal.aborted) life.renewing = false
    }
  })
}

/** At a random moment of the window that the certificate came with. */
export function renewWhenDue(life: Life): void {
  life.power.run(async () => {
    const stored = await life.equipment.store.loadEnrolment()
    if (!stored) return
    const { renewAfter, notAfter, certificate } = stored.enrolment
    const start = Date.parse(renewAfter)
    const part = createRandom(life.world.seed, life.plan.index, 'renewal', certificate.length)() / 4
    const dueAt = start + (Date.parse(notAfter) - start) * part
    life.renewAfter(Math.max(0, dueAt - Date.now()), () => renewLife(life, false))
  })
}

async function getNext(life: Life, newKeys: boolean, signal: AbortSignal): Promise<boolean> {
  const { plan, equipment, world } = life
  const { store } = equipment
  // Refused at enrolment, or not through with it.
  if (!(await store.loadEnrolment())) return false
  if (newKeys && plan.class.keygen === 'pool' && !(await store.loadNextKey()))
    await store.addNextKey(await world.keys.take(plan.keyAlgorithm))
  try {
    let startedAt = 0
    const { enrolment } = await inTurn(
      life,
      (onRetry) => {
        signal.throwIfAborted()
        startedAt = performance.now()
        const { dial, now } = equipment
        return renew({ store, newKey: newKeys, keyAlgorithm: plan.keyAlgorithm, signal, onRetry, dial, now })
      },
      'renew',
    )
    world.account.record('renew', performance.now() - startedAt)
    world.account.counts.renewals += 1
    tellCertificate(life, enrolment, 'renew')
    return true
  } catch (error) {
    if (signal.aborted || !(error instanceof MusterError)) throw error
    life.refuse('renew', error.code)
    return false
  }
}
