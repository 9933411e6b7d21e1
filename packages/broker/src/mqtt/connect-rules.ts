import { type CompiledPolicy, type Identity, isRenewalTopic, MusterError } from '@muster/contracts'
import type { IConnectPacket } from 'mqtt-packet'
import { isCleanText } from './text.ts'

/** What the parser lets through although the standard does not. @throws MusterError `packet-malformed` | `request-invalid` */
export function requireWellFormedConnect(packet: IConnectPacket): void {
  const refuse = (why: string) => new MusterError('packet-malformed', why)
  const { clientId, username, password, will, protocolVersion } = packet
  if (protocolVersion !== 4 && protocolVersion !== 5)
    throw new MusterError('request-invalid', 'MQTT 3.1.1 and 5 are spoken here')
  if (!isCleanText(clientId) || !isCleanText(username ?? '')) throw refuse('a text is not clean UTF-8')
  // [MQTT-3.1.2-22] of MQTT 3.1.1
  if (protocolVersion === 4 && password && username === undefined) throw refuse('a password needs a user name')
  if (!will) return
  if (!isCleanText(will.topic) || will.topic === '') throw refuse('the will topic is not a topic name')
  // [MQTT-3.1.2-12]
  if ((will.qos as number) > 2) throw refuse('the will QoS is 3')
}

/**
 * The client id is the device's name, or empty for the broker to assign it.
 * @throws MusterError `client-id-mismatch`
 */
export function requireClientId(packet: IConnectPacket, identity: Pick<Identity, 'device'>): void {
  const { clientId, clean, protocolVersion } = packet
  // [MQTT-3.1.3-8] of MQTT 3.1.1
  if (clientId === '' && protocolVersion !== 5 && !clean)
    throw new MusterError('client-id-mismatch', 'a session that is kept needs a client id')
  if (clientId !== '' && clientId !== identity.device)
    throw new MusterError('client-id-mismatch', `the client id must be ${identity.device} or empty`)
}

/** A will is a publication that happens later. @throws MusterError `will-denied` */
export function requireWill(packet: IConnectPacket, policy: CompiledPolicy): void {
  const { will } = packet
  if (!will) return
  const payloadBytes = Buffer.byteLength(will.payload)
  const { topic, qos = 0, retain = false } = will
  if (isRenewalTopic(topic)) throw new MusterError('will-denied', 'a renewal cannot be asked for by a will')
  const refused = policy.refusePublish({ topic, qos, retain, payloadBytes })
  if (refused) throw new MusterError('will-denied', refused)
}
