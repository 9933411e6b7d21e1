import { type Db, fleets, openDb, refusals } from '@muster/db'
import { openDatabaseGate, openTestDb } from '@muster/db/testing'
import { eq, sql } from 'drizzle-orm'
import type pg from 'pg'
import { beforeEach, expect, test, vi } from 'vitest'
import { openRefusalLog } from './refusal-log.ts'

const at = new Date('2026-01-01T00:00:00Z')
const refusal = { code: 'client-id-mismatch', detail: 'x' } as const
const most = '9223372036854775807'
let dropped: number
let failures: unknown[]
beforeEach(() => {
  dropped = 0
  failures = []
})

/** Flushes when it is told to, through a gate; `db` goes past that. */
async function openLog(lose: () => boolean = () => false) {
  const opened = new AsyncDisposableStack()
  const testDb = opened.use(await openTestDb())
  const gate = opened.use(await openDatabaseGate())
  const url = gate.urlOf(testDb.as('muster_broker'))
  const db = opened.use(await openDb({ url, role: 'muster_broker', patienceMs: 2_000 }))
  const { $client } = db
  /** Of what was carried out, some answers never arrive. */
  const lossy = {
    async query(query: pg.QueryConfig) {
      const answer = await $client.query(query)
      if (lose()) throw new Error('Connection terminated unexpectedly')
      return answer
    },
  }
  await testDb.db.insert(fleets).values({ name: 'f', createdAt: at })
  const log = opened.use(
    openRefusalLog({
      ...{ db: { ...db, $client: lossy } as unknown as Db, now: () => at, everyMs: 3_600_000 },
      onError: (error) => failures.push(error),
      onDropped: (count) => {
        dropped += count
      },
    }),
  )
  const total = async () => {
    const { rows } = await testDb.db.execute<{ total: number }>(sql`select sum(count)::int as total from refusals`)
    return rows[0]?.total
  }
  return { log, gate, db: testDb.db, total, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

test('one that the database never takes is dropped and counted; all others are on record, then and later', async () => {
  await using opened = await openLog()
  const { log, db } = opened
  const device = (index: number) => ({ fleet: 'f', device: `d-${index}` })
  const address = (index: number) => `10.0.${index >> 8}.${index & 255}`
  log.record(device(7), refusal, address(7))
  await log.flush()
  // It cannot be counted up any more.
  await db.update(refusals).set({ count: sql`${most}::bigint` })
  for (let index = 0; index < 1_200; index++) log.record(device(index), refusal, address(index))
  log.record(device(7), refusal, address(7))
  await log.flush()
  expect(dropped).toBe(2)
  await db.delete(refusals).where(eq(refusals.device, 'd-7'))
  expect(await opened.total()).toBe(1_199)
  log.record(device(7), refusal, address(7))
  await log.flush()
  expect(dropped).toBe(2)
  expect(await opened.total()).toBe(1_200)
})

test('a batch whose answer is lost is sent again, in halves too, and counted once', async () => {
  let answers = 0
  await using opened = await openLog(() => answers++ % 2 === 0)
  const { log, db } = opened
  let recorded = 0
  const record = (index: number) => {
    recorded += 1
    log.record({ fleet: 'f', device: `d-${index}` }, refusal, `10.2.${index >> 8}.${index & 255}`)
  }
  const flush = () =>
    log.flush().then(
      () => true,
      () => false,
    )
  record(7)
  expect([await flush(), await flush()]).toEqual([false, true])
  await db.update(refusals).set({ count: sql`${most}::bigint` })
  for (let index = 0; index < 300; index++) record(index)
  // Something new comes beside what waits.
  for (let index = 300; !(await flush()); index++) if (index < 310) record(index)
  expect(answers).toBeGreaterThan(10)
  await db.delete(refusals).where(eq(refusals.device, 'd-7'))
  expect(dropped).toBe(1)
  expect(await opened.total()).toBe(recorded - 2)
})

test.each(['refuse', 'freeze'] as const)(
  'while the database is away (%s) all are counted, in bounded room; they are on record when it is back',
  async (how) => {
    await using opened = await openLog()
    const { log, gate, db } = opened
    log.record({ fleet: 'f', device: 'before' }, refusal, '192.0.2.1')
    await log.flush()
    await gate.close(how)
    const long = 'x'.repeat(50_000)
    const stranger = (index: number) => ({ subject: `${index}${long}`, serial: `${index}`, fingerprint: `${index}` })
    const untrusted = { code: 'certificate-untrusted', detail: long } as const
    for (let index = 0; index < 3_000; index++)
      log.record(stranger(index), untrusted, `10.1.${index >> 8}.${index & 255}`)
    const flushing = log.flush().catch((error) => failures.push(error))
    // What comes while it is being tried is counted too, and a device of ours finds room that strangers have not.
    const device = { fleet: 'f', device: 'own', serial: '0a', subject: 'CN=own', fingerprint: 'fa' }
    for (let time = 0; time < 5; time++) log.record(device, refusal, '192.0.2.2')
    for (let index = 3_000; index < 5_000; index++)
      log.record(stranger(index), untrusted, `10.1.${index >> 8}.${index & 255}`)
    await flushing
    expect(failures.length).toBeGreaterThan(0)
    await gate.open()
    await vi.waitFor(() => log.flush(), 20_000)
    expect(await opened.total()).toBe(5_006)
    expect(dropped).toBe(0)
    const [own] = await db.select().from(refusals).where(eq(refusals.device, 'own'))
    expect(own).toMatchObject({ count: 5, address: '192.0.2.2' })
  },
)

test('what it holds while the database is away does not grow with the number of strangers', async () => {
  await using opened = await openLog()
  const { log, gate } = opened
  await gate.close('refuse')
  const long = (index: number) => `${index}`.padEnd(20_000, 'x')
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < 20_000; index++)
    log.record(
      { subject: long(index), serial: long(index), fingerprint: `${index}` },
      { ...refusal, detail: long(index) },
      `${index}`,
    )
  // All that was shown is 1.2 GB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(300 * 1_048_576)
  await expect(log.flush()).rejects.toThrow()
  await gate.open()
  await vi.waitFor(() => log.flush(), 20_000)
  expect(await opened.total()).toBe(20_000)
})
