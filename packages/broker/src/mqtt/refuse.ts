import type { Duplex } from 'node:stream'
import type { MusterError } from '@muster/contracts'
import { generate } from 'mqtt-packet'
import { Violation } from './guard/violation.ts'
import { connackCode } from './reason-codes.ts'

/** A CONNACK that says no. MQTT 3.1 and anything unknown is told that its version is not spoken here. */
export function encodeRefusal(refusal: MusterError, protocolVersion: number): Buffer {
  if (protocolVersion === 5) {
    const properties = { reasonString: `${refusal.code}: ${refusal.detail}` }
    const reasonCode = refusal instanceof Violation ? refusal.reasonCode : connackCode(refusal.code, 5)
    return generate({ cmd: 'connack', sessionPresent: false, reasonCode, properties }, { protocolVersion: 5 })
  }
  const returnCode = protocolVersion === 4 ? connackCode(refusal.code, 4) : 1
  return generate({ cmd: 'connack', sessionPresent: false, returnCode })
}

/**
 * Answers a CONNECT with a refusal and closes. Who breaks the protocol is answered in it only where it can be said what
 * was wrong: MQTT 5, once its CONNECT has been recognised. [MQTT-4.13.1-1] [MQTT-3.1.4-1]
 */
export function answer(socket: Duplex, refusal: MusterError, protocolVersion: number | undefined): void {
  const violation = refusal instanceof Violation ? refusal : undefined
  const version = protocolVersion ?? violation?.protocolVersion
  if (version === undefined || (violation && version === 4)) return void socket.destroy()
  // Whether or not the answer can be delivered.
  const giveUp = setTimeout(() => socket.destroy(), 1_000)
  socket.once('close', () => clearTimeout(giveUp))
  socket.end(encodeRefusal(refusal, version), () => socket.destroy())
}
