import pg from 'pg'
import { describe, expect, test, vi } from 'vitest'
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

/** What PostgreSQL says. */
function databaseError(code: string) {
  const error = new pg.DatabaseError('no', 2, 'error')
  error.code = code
  return error
}

describe('what cannot be stored now', () => {
  const fast = { retryMs: 5 }
  const connection = { socket: { destroyed: false }, transport: { end() {} } }

  test('is tried again, before what came later, and QoS 0 is not', async () => {
    const sink = createSink()
    const retried: unknown[] = []
    await using writer = createTelemetryWriter({
      ...fast,
      insert: sink.insert,
      onRetry: (error) => retried.push(error),
    })
    const added = writer.add(row('a', 1))
    const unanswered = writer.add({ ...row('a', 2), qos: 0 })
    const first = await sink.next(1)
    const later = writer.add(row('a', 3))
    first.finish(databaseError('53100'))
    await expect(unanswered).rejects.toMatchObject({ code: 'unavailable' })
    const again = await sink.next(2)
    expect(again.rows.map(({ topic }) => topic)).toEqual(['t/1'])
    expect(writer.isBlocked()).toBe(true)
    await expect(writer.add({ ...row('a', 4), qos: 0 })).rejects.toMatchObject({ code: 'unavailable' })
    again.finish()
    await added
    ;(await sink.next(3)).finish()
    await later
    expect(retried).toHaveLength(1)
    expect(writer.isBlocked()).toBe(false)
    expect(writer.waiting()).toEqual({ rows: 0, bytes: 0 })
  })

  test.each<[string, () => Error, boolean]>([
    ['the connection broke', () => new Error('Connection terminated unexpectedly'), true],
    ['the server went down', () => databaseError('57P01'), true],
    ['the server said no', () => databaseError('53100'), false],
    ['nobody was there', () => Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), false],
  ])('is marked where nobody knows whether it is stored: %s', async (_, createError, duplicate) => {
    const sink = createSink()
    await using writer = createTelemetryWriter({ ...fast, insert: sink.insert })
    const added = writer.add(row('a', 1))
    const first = await sink.next(1)
    const later = writer.add(row('a', 2))
    first.finish(createError())
    const again = await sink.next(2)
    expect(again.rows.map((one) => one.duplicate ?? false)).toEqual([duplicate])
    again.finish()
    const last = await sink.next(3)
    expect(last.rows.map((one) => one.duplicate ?? false)).toEqual([false])
    last.finish()
    await Promise.all([added, later])
  })

  test('is not tried while the database is known to be away, and when it is back', async () => {
    const sink = createSink()
    let isHere = false
    await using writer = createTelemetryWriter({ ...fast, insert: sink.insert, isHere: () => isHere })
    const added = writer.add(row('a'))
    await vi.waitFor(() => expect(writer.isBlocked()).toBe(true))
    expect(sink.inserts).toHaveLength(0)
    isHere = true
    ;(await sink.next(1)).finish()
    await added
  })

  test('is given up when its sender has gone, who will send it again; at QoS 2 it is kept', async () => {
    const sink = createSink()
    await using writer = createTelemetryWriter({ ...fast, insert: sink.insert })
    const sender = { ...connection, socket: { destroyed: false } }
    const [gone, stays, exactly] = [
      writer.add({ ...row('a', 1), sender }),
      writer.add({ ...row('a', 2), sender: connection }),
      writer.add({ ...row('a', 3), sender, qos: 2 }),
    ]
    sender.socket.destroyed = true
    const first = await sink.next(1)
    expect([...writer.senders()]).toEqual([
      [sender, 0],
      [connection, 0],
    ])
    first.finish(new Error('Connection terminated'))
    await expect(gone).rejects.toMatchObject({ code: 'unavailable' })
    const again = await sink.next(2)
    expect(again.rows.map(({ topic }) => topic)).toEqual(['t/2', 't/3'])
    again.finish()
    await Promise.all([stays, exactly])
  })

  test('holds up nobody who ends the process', async () => {
    const sink = createSink()
    const writer = createTelemetryWriter({ retryMs: 60_000, insert: sink.insert })
    const added = writer.add(row('a'))
    ;(await sink.next(1)).finish(new Error('Connection terminated'))
    await vi.waitFor(() => expect(writer.isBlocked()).toBe(true))
    const refused = expect(added).rejects.toMatchObject({ code: 'unavailable' })
    await writer[Symbol.asyncDispose]()
    await refused
  })
})

describe('one row that the database does not take', () => {
  /** Takes everything but batches with this row. */
  const picky = (bad: string, code: string) => {
    const stored: string[] = []
    const insert = async (rows: readonly TelemetryRow[]) => {
      if (rows.some(({ topic }) => topic === bad)) throw databaseError(code)
      stored.push(...rows.map(({ topic }) => topic))
    }
    return { stored, insert }
  }

  test.each([
    ['22021', 'publish-denied'],
    ['23514', 'unavailable'],
  ])('(%s) is refused as %s, and the others are stored in their order', async (code, expected) => {
    const { stored, insert } = picky('t/5', code)
    await using writer = createTelemetryWriter({ insert })
    const added = Array.from({ length: 12 }, (_, number) => writer.add(row('a', number)))
    const outcomes = await Promise.allSettled(added)
    expect(outcomes.flatMap((outcome, number) => (outcome.status === 'rejected' ? [number] : []))).toEqual([5])
    expect(outcomes[5]).toMatchObject({ reason: { code: expected } })
    expect(stored).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11].map((number) => `t/${number}`))
    expect(writer.waiting()).toEqual({ rows: 0, bytes: 0 })
  })

  test('and a database that goes away meanwhile: each row is stored once', async () => {
    const { stored, insert } = picky('t/5', '22021')
    let calls = 0
    const flaky = async (rows: readonly TelemetryRow[]) => {
      calls += 1
      if (calls === 3) throw databaseError('57P01')
      await insert(rows)
    }
    await using writer = createTelemetryWriter({ insert: flaky, retryMs: 1 })
    const added = Array.from({ length: 8 }, (_, number) => writer.add(row('a', number)))
    await Promise.allSettled(added)
    expect(stored).toEqual([0, 1, 2, 3, 4, 6, 7].map((number) => `t/${number}`))
  })
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
