import fc from 'fast-check'
import { expect, test } from 'vitest'
import { defaultLimits } from '../../limits.ts'
import { RetainedMessages } from './retained.ts'
import { SubscriptionIndex } from './subscriptions.ts'

const body = (topic: string) => ({
  ...({
    topic,
    payload: Buffer.from('x'),
    qos: 1,
    retain: true,
    properties: undefined,
    messageExpiry: undefined,
  } as const),
})
async function find(retained: RetainedMessages, ...filters: string[]) {
  const found: string[] = []
  for await (const { topic } of retained.match(filters, Date.now)) found.push(topic)
  return found
}

test('a filter finds what it would match if it were published now', async () => {
  const level = fc.constantFrom('a', 'b', '', '$x', '__proto__')
  const topics = fc.uniqueArray(
    fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/')),
    { maxLength: 20 },
  )
  const filter = fc.constantFrom('#', '+', 'a/#', '+/a', 'a/+/#', '+/+', '/#', '$x/#', '__proto__/+', 'a', '+/#', '')
  await fc.assert(
    fc.asyncProperty(topics, filter, async (all, one) => {
      const retained = new RetainedMessages(defaultLimits)
      for (const topic of all) retained.set(body(topic))
      const gone = all.filter((_, index) => index % 3 === 0)
      for (const topic of gone) retained.delete(topic)
      const index = new SubscriptionIndex()
      index.add({ topic: one, clientId: 'f/1', qos: 1 })
      const wanted = all.filter((topic) => !gone.includes(topic) && index.matches(topic))
      expect((await find(retained, one)).sort()).toEqual(wanted.sort())
    }),
    { numRuns: 1_000 },
  )
})

test('twenty filters over thousands of messages leave others their turns', async () => {
  const retained = new RetainedMessages(defaultLimits)
  for (let index = 0; index < 5_000; index++) retained.set(body(`fleets/f/devices/d${index}/state`))
  let turns = 0
  let isDone = false
  const others = () => {
    turns += 1
    if (!isDone) setImmediate(others)
  }
  setImmediate(others)
  const found = await find(retained, ...Array.from({ length: 20 }, () => '#'))
  isDone = true
  expect(found).toHaveLength(100_000)
  expect(turns).toBeGreaterThan(200)
})

test('a topic of very many levels is refused', () => {
  const retained = new RetainedMessages(defaultLimits)
  expect(retained.refuse(body('/'.repeat(60_000)))).toMatch(/levels/)
  expect(retained.refuse(body('/'.repeat(99)))).toBeUndefined()
})
