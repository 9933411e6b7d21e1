import { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { connect, enrol, memoryStore } from '@muster/device'
import type { Actor, ActorContext } from '../actor.ts'
import { unlessOver } from './pause.ts'

/** A second board with the same claim and a key of its own, switched on with the first. Whoever is first is the device from then on. */
export const playSecondBoard: Actor = async (context) => {
  const { observe, note, signal } = context
  observe({ saw: 'fault', fault: 'boot-twice' })
  try {
    await liveAsDevice(context)
  } catch (error) {
    if (signal.aborted || !(error instanceof MusterError)) return
    observe({ saw: 'refused', doing: 'enrol', code: error.code, attacker: true })
    note('enrol', error.code, true)
  }
}

async function liveAsDevice({ plan, url, claim, observe, signal }: ActorContext): Promise<void> {
  const store = memoryStore()
  const { certificate, notAfter } = await enrol({ url, claim, store, device: plan.device, signal })
  const serial = new X509Certificate(certificate).serialNumber.toLowerCase()
  observe({ saw: 'certificate', serial, notAfter: Date.parse(notAfter), by: 'enrol' })
  const client = await connect({ store, signal, protocolVersion: plan.class.mqtt.version })
  observe({ saw: 'connected', serial, resumed: false })
  client.on('connect', () => observe({ saw: 'connected', serial, resumed: false }))
  client.on('close', () => observe({ saw: 'closed', serial, byUs: signal.aborted }))
  await unlessOver(new Promise<void>(() => undefined), signal)
  await client.endAsync(true)
}
