import type { Socket } from 'node:net'
import type { MusterError } from '@muster/contracts'
import { generate, type IConnectPacket } from 'mqtt-packet'
import { connackCode } from './reason-codes.ts'

/** A CONNACK that says no. MQTT 3.1 and anything unknown is told that its version is not spoken here. */
export function encodeRefusal(refusal: Pick<MusterError, 'code' | 'detail'>, protocolVersion: number): Buffer {
  if (protocolVersion === 5) {
    const properties = { reasonString: `${refusal.code}: ${refusal.detail}` }
    const reasonCode = connackCode(refusal.code, 5)
    return generate({ cmd: 'connack', sessionPresent: false, reasonCode, properties }, { protocolVersion: 5 })
  }
  const returnCode = protocolVersion === 4 ? connackCode(refusal.code, 4) : 1
  return generate({ cmd: 'connack', sessionPresent: false, returnCode })
}

/** Answers a CONNECT with a refusal and closes. Who breaks the protocol is not answered in it. [MQTT-4.13.1-1] */
export function answer(socket: Socket, refusal: MusterError, packet: IConnectPacket | undefined): void {
  if (!packet || refusal.code === 'packet-malformed') return void socket.destroy()
  // Whether or not the answer can be delivered.
  const giveUp = setTimeout(() => socket.destroy(), 1_000)
  socket.once('close', () => clearTimeout(giveUp))
  socket.end(encodeRefusal(refusal, packet.protocolVersion ?? 4), () => socket.destroy())
}
