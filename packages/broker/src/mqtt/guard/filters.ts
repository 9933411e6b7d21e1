import type { Qos, SubscribePacket, UnsubscribePacket } from './packets.ts'
import { holders, readProperties } from './properties.ts'
import type { Reader } from './reader.ts'
import { isShared, requireTopicFilter } from './topics.ts'
import { malformed, protocolError } from './violation.ts'

export function decodeSubscribe(reader: Reader, length: number, version: 4 | 5): SubscribePacket {
  const messageId = reader.packetId()
  const properties = version === 5 ? readProperties(reader, holders.subscribe) : undefined
  const subscriptions: SubscribePacket['subscriptions'] = []
  while (reader.at < reader.end) {
    const topic = reader.text()
    requireTopicFilter(topic, version)
    subscriptions.push(readOptions(reader, topic, version))
  }
  // [MQTT-3.8.3-2]
  if (subscriptions.length === 0) throw protocolError('SUBSCRIBE without a topic filter')
  return { cmd: 'subscribe', messageId, subscriptions, length, properties }
}

export function decodeUnsubscribe(reader: Reader, length: number, version: 4 | 5): UnsubscribePacket {
  const messageId = reader.packetId()
  const properties = version === 5 ? readProperties(reader, holders.unsubscribe) : undefined
  const unsubscriptions: string[] = []
  while (reader.at < reader.end) {
    const topic = reader.text()
    requireTopicFilter(topic, version)
    unsubscriptions.push(topic)
  }
  // [MQTT-3.10.3-2]
  if (unsubscriptions.length === 0) throw protocolError('UNSUBSCRIBE without a topic filter')
  return { cmd: 'unsubscribe', messageId, unsubscriptions, length, properties }
}

function readOptions(reader: Reader, topic: string, version: 4 | 5): SubscribePacket['subscriptions'][number] {
  const options = reader.byte()
  // [MQTT-3.8.3-5], [MQTT-3.8.3-4] of MQTT 3.1.1
  if (options & (version === 5 ? 0xc0 : 0xfc)) throw malformed('a reserved bit of the subscription options is set')
  const qos = options & 0x03
  if (qos === 3) throw malformed('the QoS asked for is 3')
  if (version === 4) return { topic, qos: qos as Qos }
  const nl = (options & 0x04) !== 0
  const rh = (options & 0x30) >> 4
  // [MQTT-3.8.3-4]
  if (nl && isShared(topic)) throw protocolError('no local on a shared subscription')
  if (rh === 3) throw protocolError('retain handling is 3')
  return { topic, qos: qos as Qos, nl, rap: (options & 0x08) !== 0, rh }
}
