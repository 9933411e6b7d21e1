import { X509Certificate } from 'node:crypto'
import type { PlannedFault } from '../../plan/device-plan.ts'
import type { Actor, ActorContext } from '../actor.ts'
import { pause, unlessOver } from './pause.ts'
import { openStranger, type Reception } from './stranger.ts'

/** A device that does not take no for an answer: once refused it comes back at once, and again. */
export function playHammer(fault: Extract<PlannedFault, { do: 'hammer' }>): Actor {
  return async (context) => {
    const { plan, broker, signal, observe } = context
    if (!(await unlessOver(context.refused, signal))) return
    const credentials = await context.credentials()
    const serial = new X509Certificate(credentials.certificate).serialNumber.toLowerCase()
    observe({ saw: 'fault', fault: 'hammer' })
    const who = { broker, seed: fault.seed, credentials, clientId: plan.device, version: plan.class.mqtt.version }
    do report(context, serial, await openStranger({ ...who, signal }))
    while (await pause(fault.every, signal))
  }
}

function report({ observe, note, signal }: ActorContext, serial: string, reception: Reception): void {
  if (reception.admitted) {
    observe({ saw: 'connected', serial, resumed: false, begunAt: reception.begunAt })
    reception.leave()
    observe({ saw: 'closed', serial, byUs: true })
  } else if (!signal.aborted) {
    observe({ saw: 'refused', doing: 'connect', code: reception.code })
    note('connect', reception.code, true)
  }
}
