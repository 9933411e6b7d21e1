import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileFilter, containsFilter, isTopicFilter, isTopicName, matchesFilter } from './topics.ts'

const level = fc.constantFrom('a', 'b', '', '$x')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 0, maxLength: 3 }), fc.boolean())
  .map(([levels, hash]) => (hash || levels.length === 0 ? [...levels, '#'] : levels).join('/'))

/** Every topic of up to four levels over the alphabet: enough to tell any two filters of up to four levels apart. */
const universe = (() => {
  const levels = ['a', 'b', '', '$x', 'other']
  let topics = levels
  const all = [...topics]
  for (let depth = 1; depth < 4; depth++) {
    topics = topics.flatMap((prefix) => levels.map((next) => `${prefix}/${next}`))
    all.push(...topics)
  }
  return all.filter((name) => name !== '')
})()

/** The standard's words, written another way than the code: a filter as a regular expression. */
function asRegExp(text: string): RegExp {
  const levels = text.split('/').map((one) => (one === '+' ? '[^/]*' : one === '#' ? '#' : one.replace('$', '\\$')))
  const body = levels.join('/').replace(/\/#$/, '(/.*)?').replace(/^#$/, '.*')
  return new RegExp(`^${/^[+#]/.test(text) ? '(?!\\$)' : ''}${body}$`)
}

describe('matchesFilter', () => {
  test.each([
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/+', 'a', false],
    ['a/+', 'a/', true],
    ['+', 'a', true],
    ['+', '/a', false],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['a/b', 'a/B', false],
  ])('%s and %s: %s', (one, other, expected) => {
    expect(matchesFilter(one, other)).toBe(expected)
    expect(compileFilter(one)(other)).toBe(expected)
  })

  test('agrees with the standard, read as a regular expression', () => {
    fc.assert(
      fc.property(filter, topic, (one, name) => {
        fc.pre(name !== '')
        expect(matchesFilter(one, name)).toBe(asRegExp(one).test(name))
        expect(compileFilter(one)(name)).toBe(asRegExp(one).test(name))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('containsFilter', () => {
  test.each([
    ['fleets/f/#', 'fleets/f/devices/d/#', true],
    ['fleets/f/#', 'fleets/f', true],
    ['fleets/f/#', 'fleets/#', false],
    ['fleets/f/#', '#', false],
    ['fleets/f/#', '+/f/#', false],
    ['fleets/+/x', 'fleets/f/x', true],
    ['fleets/f/x', 'fleets/+/x', false],
    ['#', '$SYS/#', false],
    ['a/#', 'a/+/b', true],
    ['+/#', '#', true],
    ['/+/#', '/#', true],
    ['+', '#', false],
    ['a/+', 'a/#', false],
  ])('%s holds %s: %s', (outer, inner, expected) => expect(containsFilter(outer, inner)).toBe(expected))

  test('agrees with trying every topic', () => {
    fc.assert(
      fc.property(filter, filter, (outer, inner) => {
        fc.pre(inner !== '' && outer !== '')
        const brute = universe.filter((name) => matchesFilter(inner, name)).every((name) => matchesFilter(outer, name))
        expect(containsFilter(outer, inner)).toBe(brute)
      }),
      { numRuns: 500 },
    )
  })
})

test.each(['', 'a\u0000b', 'a+', 'a/b#', 'a/#/b', '+a/b', 'a'.repeat(65_536), '\ud800'])('not a filter: %j', (text) =>
  expect(isTopicFilter(text)).toBe(false),
)
test.each(['a', '/', '+/+', '#', 'a/+/#', '$share/g/a'])('a filter: %s', (text) =>
  expect(isTopicFilter(text)).toBe(true),
)
test.each(['', 'a/+', '#', 'a\u0000', '\udfff'])('not a topic name: %j', (text) =>
  expect(isTopicName(text)).toBe(false),
)
