import { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { enrol, loadCredentials, memoryStore } from '@muster/device'
import type { PlannedFault } from '../../plan/device-plan.ts'
import type { Actor, ActorContext } from '../actor.ts'
import { openStranger } from './stranger.ts'
import { visit } from './visit.ts'

const patienceMs = 60_000
const stayMs = 5_000

/** Somebody with a key of their own who uses the claim after the device has: a thief. */
export function playThief(fault: PlannedFault): Actor {
  return async (context) => {
    const { observe, note, signal } = context
    observe({ saw: 'fault', fault: 'steal-claim' })
    try {
      await robDevice(context, fault.seed)
    } catch (error) {
      if (signal.aborted || !(error instanceof MusterError)) return
      observe({ saw: 'refused', doing: 'enrol', code: error.code, attacker: true })
      note('enrol', error.code, true)
    }
  }
}

/** What must not come to anything; if it does, the thief goes on with what it has got. */
async function robDevice(context: ActorContext, seed: number): Promise<void> {
  const { plan, url, claim, broker, observe } = context
  const store = memoryStore()
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(patienceMs)])
  const { certificate, notAfter } = await enrol({ url, claim, store, device: plan.device, signal })
  const serial = new X509Certificate(certificate).serialNumber.toLowerCase()
  observe({ saw: 'certificate', serial, notAfter: Date.parse(notAfter), by: 'enrol', attacker: true })
  const credentials = await loadCredentials(store)
  const who = { broker, seed, credentials, clientId: plan.device, version: plan.class.mqtt.version }
  await visit(context, await openStranger({ ...who, signal: context.signal }), { certificate, stayMs })
}
