import { isTopicFilter } from '@muster/contracts'
import { reasonCodes } from '../reason-codes.ts'
import { malformed, protocolError, Violation } from './violation.ts'

/** More levels the matchers behind do not take. */
const maxLevels = 100

/** The text has been decoded, so it is clean UTF-8. [MQTT-3.3.2-2] [MQTT-3.3.2-14] [MQTT-3.1.3-11] [MQTT-4.7.3-1] */
export function requireTopicName(topic: string, what: string): void {
  if (topic.length === 0) throw protocolError(`${what} is empty`)
  if (topic.includes('+') || topic.includes('#')) throw malformed(`${what} contains a wildcard`)
  if (hasTooManyLevels(topic))
    throw new Violation(reasonCodes.topicNameInvalid, `${what} has more than ${maxLevels} levels`)
}

/** [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2] */
export function requireTopicFilter(filter: string, version: 4 | 5): void {
  if (!isTopicFilter(filter)) throw malformed('not a topic filter')
  if (hasTooManyLevels(filter))
    throw new Violation(reasonCodes.topicFilterInvalid, `a topic filter has more than ${maxLevels} levels`)
  // What files by filter in a plain object must not meet this one.
  if (filter === '__proto__') throw new Violation(reasonCodes.topicFilterInvalid, 'this topic filter is not taken')
  if (version === 5 && isShared(filter) && !/^\$share\/[^/+#]+\/./.test(filter))
    throw malformed('not a shared subscription')
}

export const isShared = (filter: string) => filter.startsWith('$share/') || filter === '$share'

function hasTooManyLevels(topic: string): boolean {
  if (topic.length < maxLevels) return false
  let levels = 1
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) levels++
  return levels > maxLevels
}
