import { isTopicFilter, isTopicName } from '@muster/contracts'
import type { Packet } from 'mqtt-packet'
import { isCleanText } from './text.ts'

/** Why a packet breaks the standard in a way that parser and aedes let pass; `undefined` when it does not. */
export function findMalformed(packet: Packet): string | undefined {
  switch (packet.cmd) {
    case 'publish':
      // [MQTT-2.2.1-2] [MQTT-3.3.1-2]
      if (packet.qos > 0 ? !packet.messageId : packet.dup) return 'packet id and DUP do not fit the QoS'
      // Empty with a topic alias; aedes looks that up.
      if (packet.topic !== '' && !(isTopicName(packet.topic) && isCleanText(packet.topic))) return 'not a topic name'
      return undefined
    case 'subscribe':
      return findMalformedFilters(
        packet.messageId,
        packet.subscriptions.map(({ topic }) => topic),
      )
    case 'unsubscribe':
      return findMalformedFilters(packet.messageId, packet.unsubscriptions)
    default:
      return undefined
  }
}

function findMalformedFilters(messageId: number | undefined, filters: readonly string[]): string | undefined {
  // [MQTT-2.2.1-3]
  if (!messageId) return 'the packet id is 0'
  // [MQTT-3.8.3-2] [MQTT-3.10.3-2]
  if (filters.length === 0) return 'no topic filter'
  if (!filters.every((filter) => isTopicFilter(filter) && isCleanText(filter))) return 'not a topic filter'
  // aedes files subscriptions under this name in plain objects.
  if (filters.includes('__proto__')) return 'not a topic filter'
  return undefined
}
