import type { Properties, UserProperties } from './packets.ts'
import type { Reader } from './reader.ts'
import { requireTopicName } from './topics.ts'
import { malformed, protocolError } from './violation.ts'

/** Which packets a property may come in, from a client. */
export const holders = {
  connect: 1,
  will: 2,
  publish: 4,
  subscribe: 8,
  acknowledge: 16,
  disconnect: 32,
  unsubscribe: 64,
}

interface Property {
  name: keyof Properties
  in: number
  read(reader: Reader): unknown
}

const { connect, will, publish, subscribe, acknowledge, disconnect } = holders
const uint16 = (reader: Reader) => reader.uint16()
const uint32 = (reader: Reader) => reader.uint32()
const text = (reader: Reader) => reader.text()
const binary = (reader: Reader) => reader.binary()
const flag = (reader: Reader) => {
  const byte = reader.byte()
  if (byte > 1) throw protocolError('a property is neither 0 nor 1')
  return byte === 1
}
const nonZero = (read: (reader: Reader) => number) => (reader: Reader) => {
  const value = read(reader)
  if (value === 0) throw protocolError('a property that must not be 0 is')
  return value
}
const topicName = (reader: Reader) => {
  const topic = reader.text()
  requireTopicName(topic, 'the response topic')
  return topic
}

/** MQTT 5, table 2-4; `undefined` in `from server` ones: known, and never a client's to send. */
const table: (Property | undefined)[] = []
const define = (id: number, name: keyof Properties, where: number, read: Property['read']) => {
  table[id] = { name, in: where, read }
}
define(0x01, 'payloadFormatIndicator', publish | will, flag)
define(0x02, 'messageExpiryInterval', publish | will, uint32)
define(0x03, 'contentType', publish | will, text)
define(0x08, 'responseTopic', publish | will, topicName)
define(0x09, 'correlationData', publish | will, binary)
define(
  0x0b,
  'subscriptionIdentifier',
  subscribe,
  nonZero((reader) => reader.variable()),
)
define(0x11, 'sessionExpiryInterval', connect | disconnect, uint32)
define(0x15, 'authenticationMethod', connect, text)
define(0x16, 'authenticationData', connect, binary)
define(0x17, 'requestProblemInformation', connect, flag)
define(0x18, 'willDelayInterval', will, uint32)
define(0x19, 'requestResponseInformation', connect, flag)
define(0x1f, 'reasonString', acknowledge | disconnect, text)
define(0x21, 'receiveMaximum', connect, nonZero(uint16))
define(0x22, 'topicAliasMaximum', connect, uint16)
// What 0 means depends on what the CONNACK said: 0x94, where aliases are resolved.
define(0x23, 'topicAlias', publish, uint16)
define(0x27, 'maximumPacketSize', connect, nonZero(uint32))
const userProperty = 0x26
/** Of packets that only servers send. */
const serverOnly = new Set([0x12, 0x13, 0x1a, 0x1c, 0x24, 0x25, 0x28, 0x29, 0x2a])

/** The properties of one packet; `undefined` where it has none. [MQTT-2.2.2-1] */
export function readProperties(reader: Reader, holder: number): Properties | undefined {
  const length = reader.variable()
  if (length === 0) return undefined
  const packetEnd = reader.end
  const end = reader.at + length
  if (end > packetEnd) throw malformed('the properties are longer than the packet')
  reader.end = end
  const found: Properties = {}
  while (reader.at < end) {
    // [MQTT-2.2.2.2] A variable byte integer, of which one byte is used.
    const id = reader.variable()
    if (id === userProperty) {
      const pairs: UserProperties = found.userProperties ?? []
      found.userProperties = pairs
      pairs.push([reader.text(), reader.text()])
      continue
    }
    const property = table[id]
    if (!property || (property.in & holder) === 0)
      throw property || serverOnly.has(id)
        ? protocolError(`property ${id} does not belong in this packet`)
        : malformed(`there is no property ${id}`)
    if (property.name in found) throw protocolError(`property ${id} is there twice`)
    found[property.name] = property.read(reader) as never
  }
  reader.end = packetEnd
  return found
}
