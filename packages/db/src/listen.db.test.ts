import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { listenTo } from './listen.ts'
import { openTestDb, type TestDb } from './testing.ts'

let registry: TestDb
beforeAll(async () => {
  registry = await openTestDb()
})
afterAll(() => registry[Symbol.asyncDispose]())

const notify = (channel: string, payload: string) => registry.db.execute(sql`select pg_notify(${channel}, ${payload})`)
const backends = async () => {
  const { rows } = await registry.db.execute<{ pid: number }>(
    sql`select pid from pg_stat_activity where application_name = 'listen test'`,
  )
  return rows.map(({ pid }) => pid)
}

function listen(channels: string[], url = registry.url) {
  const heard: [string, string][] = []
  const onListening = vi.fn()
  const onError = vi.fn()
  const onNotification = (channel: string, payload: string) => void heard.push([channel, payload])
  const listening = listenTo({ url, channels, applicationName: 'listen test', onListening, onNotification, onError })
  return { heard, onListening, onError, [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose]() }
}

test('every channel is heard, whatever its name, and no other', async () => {
  await using listener = listen(['one', 'Two"'])
  await vi.waitFor(() => expect(listener.onListening).toHaveBeenCalledTimes(1))
  await notify('three', 'x')
  await notify('one', '1')
  await notify('Two"', '')
  await vi.waitFor(() => expect(listener.heard).toHaveLength(2))
  expect(listener.heard).toEqual([
    ['one', '1'],
    ['Two"', ''],
  ])
})

test('comes back when its connection is cut, says so, and hears again', async () => {
  await using listener = listen(['one'])
  await vi.waitFor(() => expect(listener.onListening).toHaveBeenCalledTimes(1))
  for (const pid of await backends()) await registry.db.execute(sql`select pg_terminate_backend(${pid})`)
  await vi.waitFor(() => expect(listener.onListening).toHaveBeenCalledTimes(2), { timeout: 5_000 })
  expect(listener.onError).toHaveBeenCalled()
  await notify('one', 'again')
  await vi.waitFor(() => expect(listener.heard).toEqual([['one', 'again']]))
})

test('leaves nothing behind', async () => {
  {
    await using listener = listen(['one'])
    await vi.waitFor(() => expect(listener.onListening).toHaveBeenCalledTimes(1))
  }
  await vi.waitFor(async () => expect(await backends()).toEqual([]))
})

test('a database that is not there is told, and stopping does not wait for it', async () => {
  const url = new URL(registry.url)
  url.pathname = '/nowhere'
  await using listener = listen(['one'], url.href)
  await vi.waitFor(() => expect(listener.onError).toHaveBeenCalled())
  expect(listener.onListening).not.toHaveBeenCalled()
})
