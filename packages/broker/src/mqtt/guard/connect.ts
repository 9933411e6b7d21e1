import { isUtf8 } from 'node:buffer'
import { reasonCodes } from '../reason-codes.ts'
import type { ConnectPacket, Qos, Will } from './packets.ts'
import { holders, readProperties } from './properties.ts'
import type { Reader } from './reader.ts'
import { requireTopicName } from './topics.ts'
import { malformed, protocolError, Violation } from './violation.ts'

const flags = {
  reserved: 0x01,
  clean: 0x02,
  will: 0x04,
  willQos: 0x18,
  willRetain: 0x20,
  password: 0x40,
  username: 0x80,
}

export function decodeConnect(reader: Reader, length: number): ConnectPacket {
  let version: number | undefined
  try {
    version = readVersion(reader)
    if (version !== 4 && version !== 5)
      throw new Violation(reasonCodes.unsupportedVersion, 'MQTT 3.1.1 and 5 are spoken here')
    return readConnectBody(reader, length, version)
  } catch (error) {
    if (error instanceof Violation) error.protocolVersion = version
    throw error
  }
}

/** [MQTT-3.1.2-1] [MQTT-3.1.2-2]: a protocol of another name is none that a CONNACK could be sent in. */
function readVersion(reader: Reader): number {
  const name = reader.text()
  const level = reader.byte()
  if (name === 'MQIsdp' && level === 3) return 3
  if (name !== 'MQTT') throw malformed('the protocol is not MQTT')
  return level
}

function readConnectBody(reader: Reader, length: number, version: 4 | 5): ConnectPacket {
  const bits = reader.byte()
  requireFlags(bits, version)
  const keepalive = reader.uint16()
  const properties = version === 5 ? readProperties(reader, holders.connect) : undefined
  // [MQTT-3.1.2.11.10]
  if (properties?.authenticationData && properties.authenticationMethod === undefined)
    throw protocolError('authentication data without a method')
  const packet: ConnectPacket = {
    ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version },
    ...{ clean: (bits & flags.clean) !== 0, keepalive, length },
    clientId: reader.text(),
  }
  if (properties) packet.properties = properties
  if (bits & flags.will) packet.will = readWill(reader, bits, version)
  if (bits & flags.username) packet.username = reader.text()
  if (bits & flags.password) packet.password = reader.binary()
  reader.requireEnd()
  return packet
}

function requireFlags(bits: number, version: 4 | 5): void {
  // [MQTT-3.1.2-3]
  if (bits & flags.reserved) throw malformed('a reserved flag of CONNECT is set')
  // [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15]
  if (!(bits & flags.will) && bits & (flags.willQos | flags.willRetain))
    throw malformed('flags of a will without a will')
  // [MQTT-3.1.2-12]
  if ((bits & flags.willQos) === flags.willQos) throw malformed('the will QoS is 3')
  // [MQTT-3.1.2-22] of MQTT 3.1.1
  if (version === 4 && bits & flags.password && !(bits & flags.username))
    throw malformed('a password needs a user name')
}

function readWill(reader: Reader, bits: number, version: 4 | 5): Will {
  const properties = version === 5 ? readProperties(reader, holders.will) : undefined
  const topic = reader.text()
  requireTopicName(topic, 'the will topic')
  const payload = reader.binary()
  if (properties?.payloadFormatIndicator && !isUtf8(payload))
    throw new Violation(reasonCodes.payloadFormatInvalid, 'the will is not UTF-8')
  const will: Will = {
    topic,
    payload,
    qos: ((bits & flags.willQos) >> 3) as Qos,
    retain: (bits & flags.willRetain) !== 0,
  }
  if (properties) will.properties = properties
  return will
}
