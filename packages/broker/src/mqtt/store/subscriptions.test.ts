import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SubscriptionIndex } from './subscriptions.ts'

const level = fc.constantFrom('a', 'b', '', '$x', '__proto__')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 0, maxLength: 4 }), fc.boolean())
  .map(([levels, rest]) => [...levels, ...(rest || levels.length === 0 ? ['#'] : [])].join('/'))

/** Section 4.7 of the standard, word by word. */
function matches(filter: string, topic: string): boolean {
  const [filters, topics] = [filter.split('/'), topic.split('/')]
  if (topic.startsWith('$') && (filters[0] === '#' || filters[0] === '+')) return false
  for (const [index, level] of filters.entries()) {
    if (level === '#') return true
    if (index >= topics.length || (level !== '+' && level !== topics[index])) return false
  }
  return filters.length === topics.length
}
// `a/#` matches its parent `a` as well.
const expected = (filter: string, topic: string) =>
  matches(filter, topic) || (filter.endsWith('/#') && matches(filter.slice(0, -2), topic))

test('finds exactly the subscriptions whose filters match, also after some were removed', () => {
  fc.assert(
    fc.property(fc.array(filter, { maxLength: 20 }), fc.array(topic, { maxLength: 10 }), (filters, topics) => {
      const index = new SubscriptionIndex()
      const all = filters.map((one, number) => ({ topic: one, clientId: `f/${number}`, qos: 1 }))
      for (const one of all) index.add(one)
      const removed = all.filter((_, number) => number % 3 === 0)
      for (const one of removed) index.remove(one)
      const left = all.filter((one) => !removed.includes(one))
      for (const one of topics) {
        const wanted = left.filter((subscription) => expected(subscription.topic, one)).map(({ clientId }) => clientId)
        expect(
          index
            .match(one)
            .map(({ clientId }) => clientId)
            .sort(),
        ).toEqual(wanted.sort())
        expect(index.matches(one)).toBe(wanted.length > 0)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('does not match shared subscriptions, nor those at QoS 0, which are not queued', () => {
  const index = new SubscriptionIndex()
  const [shared, passing] = [
    { topic: '$share/g/a', clientId: 'f/1', qos: 1 },
    { topic: 'a', clientId: 'f/2', qos: 0 },
  ]
  for (const one of [shared, passing]) index.add(one)
  expect([index.match('a'), index.match('$share/g/a')]).toEqual([[], []])
  for (const one of [shared, passing]) index.remove(one)
})
