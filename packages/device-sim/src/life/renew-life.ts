import { MusterError } from '@muster/contracts'
import { findRenewalWindow, renew } from '@muster/device'
import { createRandom } from '../random.ts'
import { inTurn, tellCertificate } from './enrol-life.ts'
import type { Life } from './life.ts'

/** As in the SDK: the longest time between two questions, and a window so near that it is waited for without another. */
const askEveryMs = 3_600_000
const nearMs = 30_000

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

/** At a random moment of the window; on the way there it is asked for again, as the SDK does: an operator may have pulled it forward. */
export function renewWhenDue(life: Life): void {
  life.power.run(async () => {
    const stored = await life.equipment.store.loadEnrolment()
    if (!stored) return
    const { renewAfter, notAfter } = stored.enrolment
    const start = Date.parse(renewAfter)
    const random = createRandom(life.world.seed, life.plan.index, 'renewal', notAfter)
    waitFor(life, { start, end: start + (Date.parse(notAfter) - start) / 4 }, random(), random)
  })
}

/** `part`: when in the window, drawn once for each certificate. */
function waitFor(life: Life, { start, end }: { start: number; end: number }, part: number, random: () => number): void {
  const ms = Math.max(0, start + part * (end - start) - Date.now())
  const ask = () =>
    life.power.run(async (signal) => {
      const window = await findWindow(life, signal)
      if (window && !life.renewing) waitFor(life, window, part, random)
    })
  if (ms <= nearMs) life.renewAfter(ms, () => renewLife(life, false))
  else life.renewAfter(Math.min(ms / 2, askEveryMs * (0.9 + random() / 10)), ask)
}

async function findWindow(life: Life, signal: AbortSignal): Promise<{ start: number; end: number } | undefined> {
  const { store, dial, now } = life.equipment
  try {
    const { start, end } = await life.world.asking(() => findRenewalWindow(store, { dial, now, signal }))
    return { start: start.getTime(), end: end.getTime() }
  } catch (error) {
    if (signal.aborted || !(error instanceof MusterError)) throw error
    life.refuse('renew', error.code)
    return undefined
  }
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
        const client = life.link?.client
        return renew({ store, client, newKey: newKeys, keyAlgorithm: plan.keyAlgorithm, signal, onRetry, dial, now })
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
