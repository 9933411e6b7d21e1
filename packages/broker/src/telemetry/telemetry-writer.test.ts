import { expect, test } from 'vitest'
import { createTelemetryWriter, type TelemetryRow } from './telemetry-writer.ts'

const row = (device: string, number = 0, bytes = 1): TelemetryRow => ({
  ...{ fleet: 'f', device, topic: `t/${number}`, payload: Buffer.alloc(bytes), qos: 1, receivedAt: 0 },
})

/** A place to insert into that shows what is under way and answers when told. */
function createSink() {
  const inserts: { rows: readonly TelemetryRow[]; finish: (error?: Error) => void }[] = []
  const arrived: (() => void)[] = []
  return {
    inserts,
    insert: (rows: readonly TelemetryRow[]) =>
      new Promise<void>((resolve, reject) => {
        inserts.push({ rows, finish: (error) => (error ? reject(error) : resolve()) })
        for (const wake of arrived.splice(0)) wake()
      }),
    async next(count = 1) {
      while (inserts.length < count) await new Promise<void>((resolve) => arrived.push(resolve))
      const insert = inserts[count - 1]
      if (!insert) throw new Error('no insert')
      return insert
    },
  }
}
const settled = (promise: Promise<void>) =>
  Promise.race([
    promise.then(() => 'stored').catch(() => 'refused'),
    new Promise((resolve) => setImmediate(resolve, 'waiting')),
  ])

test('resolves when the batch is stored, and not before', async () => {
  const sink = createSink()
  await using writer = createTelemetryWriter({ insert: sink.insert })
  const added = [1, 2, 3].map((number) => writer.add(row('a', number)))
  const insert = await sink.next()
  expect(insert.rows).toHaveLength(3)
  expect(await Promise.all(added.map(settled))).toEqual(['waiting', 'waiting', 'waiting'])
  insert.finish()
  expect(await Promise.all(added.map(settled))).toEqual(['stored', 'stored', 'stored'])
})

test('rows of one device never overtake each other; other devices need not wait for them', async () => {
  const sink = createSink()
  await using writer = createTelemetryWriter({ insert: sink.insert, maxRows: 2 })
  const added = [1, 2, 3].map((number) => writer.add(row('a', number)))
  const first = await sink.next(1)
  // 'a' and 'b' hash to different lanes.
  const other = writer.add(row('b'))
  const second = await sink.next(2)
  expect(second.rows.map(({ device }) => device)).toEqual(['b'])
  second.finish()
  expect(await settled(other)).toBe('stored')
  expect(sink.inserts).toHaveLength(2)
  first.finish()
  const third = await sink.next(3)
  expect(third.rows.map(({ topic }) => topic)).toEqual(['t/3'])
  third.finish()
  await Promise.all(added)
})

test('what cannot be stored is refused, and what comes later is tried again', async () => {
  const sink = createSink()
  await using writer = createTelemetryWriter({ insert: sink.insert })
  const lost = writer.add(row('a'))
  ;(await sink.next(1)).finish(new Error('the disk is full'))
  await expect(lost).rejects.toMatchObject({ code: 'unavailable' })
  const next = writer.add(row('a'))
  ;(await sink.next(2)).finish()
  await next
})

test.each([
  ['rows', { maxQueuedRows: 2 }, 1],
  ['bytes', { maxQueuedBytes: 10 }, 5],
])('waiting has a bound in %s, and room again when something is stored', async (_, bounds, bytes) => {
  const sink = createSink()
  await using writer = createTelemetryWriter({ insert: sink.insert, ...bounds })
  const held = [writer.add(row('a', 1, bytes)), writer.add(row('a', 2, bytes))]
  await expect(writer.add(row('a', 3, bytes))).rejects.toMatchObject({ code: 'unavailable' })
  ;(await sink.next(1)).finish()
  await Promise.all(held)
  const again = writer.add(row('a', 4, bytes))
  ;(await sink.next(2)).finish()
  await again
})

test('closing waits for what was added', async () => {
  const stored: TelemetryRow[] = []
  const writer = createTelemetryWriter({
    async insert(rows) {
      stored.push(...rows)
    },
  })
  const added = writer.add(row('a'))
  await writer[Symbol.asyncDispose]()
  expect(stored).toHaveLength(1)
  await added
})
