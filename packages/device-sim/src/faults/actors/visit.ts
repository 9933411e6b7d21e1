import { X509Certificate } from 'node:crypto'
import type { ActorContext } from '../actor.ts'
import { pause } from './pause.ts'
import type { Reception } from './stranger.ts'

interface VisitOptions {
  /** PEM, the leaf first. */
  certificate: string
  /** It leaves by itself then. */
  stayMs: number
}

/** Somebody who is not the device: whether it was let in, and how that ended. */
export async function visit(
  { observe, note, signal }: ActorContext,
  reception: Reception,
  { certificate, stayMs }: VisitOptions,
): Promise<void> {
  if (!reception.admitted) {
    if (signal.aborted) return
    observe({ saw: 'refused', doing: 'connect', code: reception.code, attacker: true })
    return note('connect', reception.code, true)
  }
  const serial = new X509Certificate(certificate).serialNumber.toLowerCase()
  observe({ saw: 'connected', serial, resumed: false, begunAt: reception.begunAt, attacker: true })
  const stay = new AbortController()
  const until = AbortSignal.any([signal, stay.signal])
  const ended = reception.ended.finally(() => stay.abort())
  await pause(stayMs, until)
  reception.leave()
  observe({ saw: 'closed', serial, ...(await ended), attacker: true })
}
