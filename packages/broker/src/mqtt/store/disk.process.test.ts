import { execFile } from 'node:child_process'
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defaultLimits, type Limits } from '../../limits.ts'
import { openSessionStore, type SessionStore } from '../session-store.ts'
import type { StoredPacket } from './packet.ts'
import { repairSessions } from './repair.ts'

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0
let directory: string
let failures: unknown[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'muster-disk-'))
  failures = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const limits: Partial<Limits> = { queuedMessages: 100_000, queuedBytes: 2 ** 40, queueMemoryBytes: 0 }
async function open(path: string, changed: Partial<Limits> = {}): Promise<SessionStore> {
  const store = await openSessionStore({
    ...{ path, sync: true, now: () => new Date() },
    limits: { ...defaultLimits, ...limits, ...changed },
    observer: { dropped() {}, failed: (error) => failures.push(error), sessionsWritten() {} },
  })
  await store.setup({ id: 'b', counter: 0, clearDelayedWill() {} })
  await store.openSession('f/a', false)
  return store
}

let counter = 0
const message = (topic: string, payload: Buffer): StoredPacket => {
  const name = { cmd: 'publish', brokerId: 'b', brokerCounter: ++counter, topic, payload }
  return { ...name, qos: 1, retain: false, dup: false }
}
const topics = (store: SessionStore) => store.queued('f/a', 0, 100_000).map(({ topic }) => topic)
async function sizeOf(path: string) {
  const sizes = await Promise.all(
    (await readdir(path)).map((name) =>
      stat(join(path, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

test.skipIf(!isRoot)(
  'a disk that is full refuses, loses nothing that was accepted, and works again when it has room',
  async () => {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', directory])
    try {
      const path = join(directory, 'sessions')
      const balloon = join(directory, 'balloon')
      let store = await open(path, { diskReserveBytes: 0 })
      const accepted: string[] = []
      const refusals: unknown[] = []
      const offer = (from: number, count: number) =>
        Promise.all(
          Array.from({ length: count }, async (_, index) => {
            const topic = `t/${from + index}`
            await store.outgoingEnqueue({ clientId: 'f/a' }, message(topic, Buffer.alloc(32_768, index))).then(
              () => accepted.push(topic),
              (error) => refusals.push(error),
            )
          }),
        )
      await offer(0, 50)
      expect(refusals).toEqual([])
      await writeFile(balloon, '')
      // Until there is not a page left.
      for (let more = true; more; )
        more = await appendFile(balloon, Buffer.alloc(65_536)).then(
          () => true,
          () => false,
        )
      await offer(50, 50)
      await vi.waitFor(() => expect(failures.length).toBeGreaterThan(0))
      expect(refusals[0]).toMatchObject({ code: expect.stringMatching(/quota-exceeded|unavailable/) })
      // Bodies that are on disk alone may not be had meanwhile; nobody falls over it, and none is given up.
      for (let again = 0; again < 20; again++) store.queued('f/a', 0, 10)
      // It goes on refusing as long as there is no room.
      await expect(
        store.outgoingEnqueue({ clientId: 'f/a' }, message('t/never', Buffer.alloc(1_000))),
      ).rejects.toThrow()
      await store.outgoingClearMessageId({ id: 'f/a' }, { brokerCounter: store.queued('f/a', 0, 1)[0]?.brokerCounter })
      await rm(balloon)
      await vi.waitFor(
        () => store.outgoingEnqueue({ clientId: 'f/a' }, message('t/again', Buffer.alloc(1_000))),
        20_000,
      )
      const expected = [...accepted.slice(1), 't/again']
      expect(topics(store)).toEqual(expected)
      await store[Symbol.asyncDispose]()
      store = await open(path, { diskReserveBytes: 0 })
      expect(topics(store)).toEqual(expected)
      await store[Symbol.asyncDispose]()
    } finally {
      await run('umount', [directory])
    }
  },
)

test('the disk gets back what was consumed', { timeout: 120_000 }, async () => {
  const store = await open(directory)
  const round = async () => {
    for (let index = 0; index < 60; index++) {
      const offered = Array.from({ length: 50 }, () =>
        message('t', Buffer.from(crypto.getRandomValues(new Uint8Array(32_768)))),
      )
      await Promise.all(offered.map((packet) => store.outgoingEnqueue({ clientId: 'f/a' }, packet)))
      for (const { brokerCounter } of offered) await store.outgoingClearMessageId({ id: 'f/a' }, { brokerCounter })
    }
  }
  await round()
  await vi.waitFor(async () => expect(await sizeOf(directory)).toBeLessThan(40 * 1_048_576), 30_000)
  await round()
  await vi.waitFor(async () => expect(await sizeOf(directory)).toBeLessThan(40 * 1_048_576), 30_000)
  expect(store.counts).toMatchObject({ queued: 0, messages: 0 })
  await store[Symbol.asyncDispose]()
})

test('a store in use by another process, of another format, or damaged says so, and what to do', async () => {
  const store = await open(directory)
  await store.outgoingEnqueue({ clientId: 'f/a' }, message('t/1', Buffer.alloc(10)))
  await expect(open(directory)).rejects.toMatchObject({ code: 'unavailable', detail: expect.stringMatching(/in use/) })
  await store[Symbol.asyncDispose]()

  const level = new ClassicLevel(directory)
  await level.put('version', '9')
  await level.close()
  await expect(open(directory)).rejects.toMatchObject({ detail: expect.stringMatching(/format 9/) })
  expect(await repairSessions(directory)).toMatchObject({ dropped: 0 })

  const manifest = (await readdir(directory)).find((name) => name.startsWith('MANIFEST')) ?? ''
  await writeFile(join(directory, manifest), 'nonsense')
  await expect(open(directory)).rejects.toMatchObject({ detail: expect.stringMatching(/damaged.*--repair-sessions/s) })
  expect(await repairSessions(directory)).toMatchObject({ dropped: 0 })
  const repaired = await open(directory)
  expect(topics(repaired)).toEqual(['t/1'])
  await repaired[Symbol.asyncDispose]()
})

test('what a database drops of a damaged log is told, and the rest is there', async () => {
  const store = await open(directory)
  for (let index = 0; index < 100; index++)
    await store.outgoingEnqueue({ clientId: 'f/a' }, message(`t/${index}`, Buffer.alloc(1_000)))
  await store[Symbol.asyncDispose]()
  const log = join(directory, (await readdir(directory)).find((name) => name.endsWith('.log')) ?? '')
  const bytes = await readFile(log)
  bytes.fill(0xff, 50_000, 50_100)
  await writeFile(log, bytes)
  const again = await open(directory)
  expect(failures).toMatchObject([{ detail: expect.stringMatching(/damaged/) }])
  expect(topics(again)).toContain('t/0')
  expect(topics(again).length).toBeLessThan(100)
  await again[Symbol.asyncDispose]()
})
