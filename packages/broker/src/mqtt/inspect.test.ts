import type { Packet } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { findMalformed } from './inspect.ts'

const publish = (changed: object = {}) =>
  ({
    cmd: 'publish',
    topic: 'a/b',
    payload: 'x',
    qos: 1,
    dup: false,
    retain: false,
    messageId: 1,
    ...changed,
  }) as Packet
const subscribe = (topics: string[], messageId = 1) =>
  ({ cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 0 })) }) as Packet
const unsubscribe = (unsubscriptions: string[], messageId = 1) =>
  ({ cmd: 'unsubscribe', messageId, unsubscriptions }) as Packet

test.each([
  publish(),
  publish({ dup: true }),
  publish({ qos: 0, messageId: undefined }),
  publish({ topic: '', properties: { topicAlias: 1 } }),
  subscribe(['a/+/#', '$share/g/a']),
  unsubscribe(['a']),
  { cmd: 'pingreq' } as Packet,
])('passes %o', (packet) => {
  expect(findMalformed(packet)).toBeUndefined()
})

test.each([
  publish({ messageId: 0 }),
  publish({ qos: 0, dup: true, messageId: undefined }),
  publish({ topic: 'a/+' }),
  publish({ topic: 'a\u0000' }),
  publish({ topic: 'a\ufffd' }),
  subscribe([]),
  subscribe(['a'], 0),
  subscribe(['a', 'b+']),
  subscribe(['a/#/b']),
  subscribe(['']),
  subscribe(['__proto__', 'a']),
  unsubscribe([]),
  unsubscribe(['a#']),
])('stops %o', (packet) => {
  expect(findMalformed(packet)).toEqual(expect.any(String))
})
