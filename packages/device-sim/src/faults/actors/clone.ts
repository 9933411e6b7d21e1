import type { PlannedFault } from '../../plan/device-plan.ts'
import type { Actor } from '../actor.ts'
import { pause } from './pause.ts'
import { openStranger } from './stranger.ts'
import { visit } from './visit.ts'

const visits = 3
const stayMs = 10_000
const pauseMs = 2_000

/** Somebody who has copied key and certificate, and uses them beside the device. */
export function playClone(fault: Extract<PlannedFault, { do: 'clone' }>): Actor {
  return async (context) => {
    const { plan, broker, signal, observe } = context
    if (!(await pause(fault.after, signal))) return
    const credentials = await context.credentials()
    observe({ saw: 'fault', fault: 'clone' })
    const who = { broker, seed: fault.seed, credentials, clientId: plan.device, version: plan.class.mqtt.version }
    for (let times = 0; times < visits; times += 1) {
      await visit(context, await openStranger({ ...who, signal }), { certificate: credentials.certificate, stayMs })
      if (!(await pause(pauseMs * 2 ** times, signal))) return
    }
  }
}
