import { expect, test } from 'vitest'
import { createReceivedOnce } from './received-once.ts'

function createStore() {
  const kept = new Set<string>()
  const key = (client: { id: string }, { messageId }: { messageId?: number | undefined }) => `${client.id}#${messageId}`
  return {
    kept,
    async incomingGetPacket(client: { id: string }, packet: { messageId?: number }) {
      if (!kept.has(key(client, packet))) throw new Error('no such packet')
    },
    async incomingStorePacket(client: { id: string }, packet: { messageId?: number }) {
      kept.add(key(client, packet))
    },
    async incomingDelPacket(client: { id: string }, packet: { messageId?: number }) {
      kept.delete(key(client, packet))
    },
  }
}
const client = (closed = false, clean = false) => ({ id: 'f/d', clean, closed }) as never

test('a message is done once, until its id is released', async () => {
  const once = createReceivedOnce(createStore())
  let done = 0
  const work = async () => {
    done++
    return true
  }
  await once.receive(client(), 1, work)
  await once.receive(client(), 1, work)
  expect(done).toBe(1)
  expect(await once.release(client(), 1)).toBe(true)
  expect(await once.release(client(), 1)).toBe(false)
  await once.receive(client(), 1, work)
  expect(done).toBe(2)
})

test('one that is under way on an earlier connection is waited for, and not done again', async () => {
  const once = createReceivedOnce(createStore())
  const earlier = Promise.withResolvers<boolean>()
  const first = once.receive(client(true), 7, () => earlier.promise)
  let again = false
  const second = once.receive(client(), 7, async () => {
    again = true
    return true
  })
  earlier.resolve(true)
  await Promise.all([first, second])
  expect(again).toBe(false)
})

test('one that failed there is done here', async () => {
  const once = createReceivedOnce(createStore())
  const earlier = Promise.withResolvers<boolean>()
  const first = once.receive(client(true), 7, () => earlier.promise)
  let again = false
  const second = once.receive(client(), 7, async () => {
    again = true
    return true
  })
  earlier.reject(new Error('not stored'))
  await expect(first).rejects.toThrow('not stored')
  await second
  expect(again).toBe(true)
})

test('nothing is kept of what was refused, nor for a session that has ended with its connection', async () => {
  const store = createStore()
  const once = createReceivedOnce(store)
  await once.receive(client(), 1, async () => false)
  await once.receive(client(true, true), 2, async () => true)
  expect(store.kept.size).toBe(0)
})
