import type { AcknowledgePacket, DisconnectPacket } from './packets.ts'
import { holders, readProperties } from './properties.ts'
import type { Reader } from './reader.ts'
import { malformed, protocolError } from './violation.ts'

/** MQTT 5, tables 3-4 to 3-7. */
const received = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
const released = new Set([0x00, 0x92])
const reasons = { puback: received, pubrec: received, pubrel: released, pubcomp: released }

/** Table 3-10, those that a client may send. */
const leaving = new Set([0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])

export function decodeAcknowledge(
  reader: Reader,
  length: number,
  cmd: AcknowledgePacket['cmd'],
  version: 4 | 5,
): AcknowledgePacket {
  const packet: AcknowledgePacket = { cmd, messageId: reader.packetId(), reasonCode: 0, length }
  if (length === 2) return packet
  if (version === 4) throw malformed(`${cmd} is not 2 bytes long`)
  packet.reasonCode = reader.byte()
  if (!reasons[cmd].has(packet.reasonCode)) throw protocolError(`no reason code of ${cmd}: ${packet.reasonCode}`)
  if (length > 3) {
    const properties = readProperties(reader, holders.acknowledge)
    if (properties) packet.properties = properties
    reader.requireEnd()
  }
  return packet
}

export function decodeDisconnect(
  reader: Reader,
  length: number,
  { version, keepsSession }: { version: 4 | 5; keepsSession: boolean },
): DisconnectPacket {
  const packet: DisconnectPacket = { cmd: 'disconnect', reasonCode: 0, length }
  if (length === 0) return packet
  if (version === 4) throw malformed('DISCONNECT has a body')
  packet.reasonCode = reader.byte()
  if (!leaving.has(packet.reasonCode)) throw protocolError(`not a client’s reason to disconnect: ${packet.reasonCode}`)
  if (length > 1) {
    const properties = readProperties(reader, holders.disconnect)
    if (properties) packet.properties = properties
    reader.requireEnd()
    // [MQTT-3.14.2-2]
    if (!keepsSession && properties?.sessionExpiryInterval)
      throw protocolError('a session that ends with its connection cannot be kept at its end')
  }
  return packet
}
