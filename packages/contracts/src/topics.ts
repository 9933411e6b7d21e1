/** Topic names and filters, MQTT 5 section 4.7 (the same in 3.1.1). */

const maxTopicBytes = 65_535

// [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-4.7.3-1]
function isTopicString(value: string): boolean {
  return (
    value.length > 0 && !value.includes('\u0000') && value.isWellFormed() && Buffer.byteLength(value) <= maxTopicBytes
  )
}

/** A name that may be published to. [MQTT-3.3.2-2] */
export function isTopicName(value: string): boolean {
  return isTopicString(value) && !value.includes('+') && !value.includes('#')
}

/** A filter that may be subscribed to: wildcards fill whole levels, `#` only the last. [MQTT-4.7.1-1] [MQTT-4.7.1-2] */
export function isTopicFilter(value: string): boolean {
  if (!isTopicString(value)) return false
  const levels = value.split('/')
  return levels.every(
    (level, index) =>
      level === '+' || (level === '#' && index === levels.length - 1) || !(level.includes('+') || level.includes('#')),
  )
}

/** Whether a message published to `topic` reaches a subscription to `filter`. */
export function matchesFilter(filter: string, topic: string): boolean {
  return containsFilter(filter, topic)
}

/**
 * Whether every topic that `inner` can match is matched by `outer`. A topic name is the filter that matches only itself.
 */
export function containsFilter(outer: string, inner: string): boolean {
  // [MQTT-4.7.2-1] A leading wildcard does not reach topics that begin with $.
  if (inner.startsWith('$') && (outer.startsWith('+') || outer.startsWith('#'))) return false
  const outside = outer.split('/')
  // What `#` matches with nothing in its place would be the empty name here, which no topic has. [MQTT-4.7.3-1]
  const inside = (inner === '#' || inner === '/#' ? inner.replace('#', '+/#') : inner).split('/')
  for (const [index, level] of outside.entries()) {
    if (level === '#') return true
    const other = inside[index]
    if (other === undefined || other === '#') return false
    if (level !== '+' && level !== other) return false
  }
  return inside.length === outside.length
}

/** `matchesFilter` for a filter that is asked for every message: nothing is taken apart then. */
export function compileFilter(filter: string): (topic: string) => boolean {
  const levels = filter.split('/')
  const isOpen = levels.at(-1) === '#'
  if (isOpen) levels.pop()
  // [MQTT-4.7.2-1]
  const isWild = levels.length === 0 || levels[0] === '+'
  return (topic) => {
    if (isWild && topic.startsWith('$')) return false
    // Where the next level of the topic begins; beyond its end there is none.
    let at = 0
    for (const level of levels) {
      if (at > topic.length) return false
      const slash = level === '+' ? topic.indexOf('/', at) : at + level.length
      const end = slash < 0 ? topic.length : slash
      if (level !== '+' && !(topic.startsWith(level, at) && (end === topic.length || topic[end] === '/'))) return false
      at = end + 1
    }
    return isOpen || at > topic.length
  }
}
