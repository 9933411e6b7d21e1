import { expect, test } from 'vitest'
import { defaultLimits } from '../limits.ts'
import { OutgoingQueue } from './outgoing-queue.ts'

const message = (brokerCounter: number, payload = 'x', messageId?: number) => ({
  ...{ brokerId: 'b', brokerCounter, payload: Buffer.from(payload) },
  messageId,
})

test('keeps order, and what was there, when it is full', () => {
  const queue = new OutgoingQueue({ ...defaultLimits, queuedMessages: 2 })
  expect([1, 2, 3].map((counter) => queue.add(message(counter)))).toEqual([true, true, false])
  expect(queue.packets.map(({ brokerCounter }) => brokerCounter)).toEqual([1, 2])
})

test('has a bound in bytes, which acknowledgements free', () => {
  const queue = new OutgoingQueue({ ...defaultLimits, queuedBytes: 10 })
  expect(queue.add(message(1, '123456'))).toBe(true)
  expect(queue.add(message(2, '123456'))).toBe(false)
  queue.update(message(1, '123456', 7))
  expect(queue.remove({ brokerId: 'b', brokerCounter: 0, messageId: 7 })).toMatchObject({ brokerCounter: 1 })
  expect(queue.add(message(2, '123456'))).toBe(true)
})

test('a message that was never sent is found by itself, not by its missing packet id', () => {
  const queue = new OutgoingQueue(defaultLimits)
  queue.add(message(1))
  queue.add(message(2))
  expect(queue.remove(message(2))).toMatchObject({ brokerCounter: 2 })
  expect(queue.remove(message(3))).toBeUndefined()
  expect(queue.packets).toHaveLength(1)
})

test('a release takes the place of its message (QoS 2)', () => {
  const queue = new OutgoingQueue(defaultLimits)
  queue.add(message(1))
  queue.update(message(1, 'x', 9))
  const release = { brokerId: '', brokerCounter: 0, messageId: 9, payload: undefined }
  queue.update(release as never)
  expect(queue.packets).toEqual([release])
  expect(queue.remove({ brokerId: '', brokerCounter: 0, messageId: 9 })).toEqual(release)
})
