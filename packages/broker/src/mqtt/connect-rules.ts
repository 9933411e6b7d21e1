import { type CompiledPolicy, type Identity, isRenewalTopic, MusterError } from '@muster/contracts'
import { denyTopic } from './deny-topic.ts'
import type { ConnectPacket } from './guard/packets.ts'
import { Violation } from './guard/violation.ts'
import { reasonCodes } from './reason-codes.ts'

/**
 * The client id is the device's name, or empty for the broker to assign it.
 * @throws MusterError `client-id-mismatch`
 */
export function requireClientId(packet: ConnectPacket, identity: Pick<Identity, 'device'>): void {
  const { clientId, clean, protocolVersion } = packet
  // [MQTT-3.1.3-8] of MQTT 3.1.1
  if (clientId === '' && protocolVersion !== 5 && !clean)
    throw new MusterError('client-id-mismatch', 'a session that is kept needs a client id')
  if (clientId !== '' && clientId !== identity.device) {
    const given = clientId.length > 64 ? `${clientId.slice(0, 64)}…` : clientId
    throw new MusterError('client-id-mismatch', `the client id is "${given}"; it must be "${identity.device}" or empty`)
  }
}

/** [MQTT-4.12.0-1]: with none of them. @throws Violation */
export function refuseAuthenticationMethod({ properties }: ConnectPacket): void {
  if (properties?.authenticationMethod !== undefined)
    throw new Violation(reasonCodes.badAuthenticationMethod, 'devices authenticate with their certificate alone')
}

/** A will is a publication that happens later. @throws MusterError `will-denied` */
export function requireWill(packet: ConnectPacket, policy: CompiledPolicy): void {
  const { will } = packet
  if (!will) return
  const { topic, qos, retain } = will
  const payloadBytes = will.payload.length
  if (isRenewalTopic(topic)) throw new MusterError('will-denied', 'a renewal cannot be asked for by a will')
  const refused = policy.refusePublish({ topic, qos, retain, payloadBytes })
  if (refused) throw denyTopic('will-denied', topic, refused)
}
