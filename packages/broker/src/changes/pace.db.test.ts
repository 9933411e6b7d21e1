import { changesChannel, previewsChannel } from '@muster/contracts'
import { openTestDb } from '@muster/db/testing'
import { sql } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import { openClock } from '../contact/clock.ts'
import { openChanges } from './changes.ts'

test('however many changes come, not every one of them has all connections judged again', async () => {
  await using testDb = await openTestDb()
  let acts = 0
  let rechecks = 0
  await using changes = openChanges({
    ...{ url: testDb.as('muster_broker'), clock: openClock(), pollMs: 3_000 },
    contact: { isHere: () => true, caughtUp: () => {} },
    async act() {
      acts += 1
    },
    async recheck() {
      rechecks += 1
    },
    answerPreviews: async () => {},
    onError: () => {},
  })
  await changes.startOver()
  await vi.waitFor(() => expect(rechecks).toBeGreaterThan(0))
  await changes.catchUp()
  const before = rechecks
  for (let index = 0; index < 100; index++) {
    const acted = acts
    await testDb.db.execute(sql`select pg_notify(${changesChannel}, ${String(index)})`)
    await vi.waitFor(() => expect(acts).toBeGreaterThan(acted), { timeout: 5_000, interval: 1 })
  }
  // One more where the listening connection came only now.
  expect(rechecks - before).toBeLessThanOrEqual(1)
})

test('changes do not wait while all connections are judged again, and that is never done twice at once', async () => {
  await using testDb = await openTestDb()
  let acts = 0
  let rechecks = 0
  let under = 0
  let heard = 0
  let gate = Promise.resolve()
  const held = Promise.withResolvers<void>()
  await using changes = openChanges({
    ...{ url: testDb.as('muster_broker'), clock: openClock(), pollMs: 20 },
    contact: { isHere: () => true, caughtUp: () => {} },
    async act() {
      acts += 1
    },
    async recheck() {
      rechecks += 1
      under += 1
      await gate
      under -= 1
    },
    async answerPreviews() {
      heard += 1
    },
    onError: () => {},
  })
  await changes.startOver()
  // It listens; what follows from that is over two rechecks later.
  await vi.waitFor(async () => {
    await testDb.db.execute(sql`select pg_notify(${previewsChannel}, '')`)
    expect(heard).toBeGreaterThan(0)
  }, 5_000)
  const begun = rechecks
  await vi.waitFor(() => expect(rechecks).toBeGreaterThan(begun + 1), 10_000)
  gate = held.promise
  await vi.waitFor(() => expect(under).toBe(1), 5_000)
  const [acted, rechecked] = [acts, rechecks]
  // As many polls as lie between two rechecks, and more.
  for (let index = 0; index < 50; index++) await changes.catchUp()
  await vi.waitFor(() => expect(acts).toBeGreaterThan(acted + 100), 10_000)
  expect(rechecks).toBe(rechecked)
  held.resolve()
  await vi.waitFor(() => expect(rechecks).toBeGreaterThan(rechecked), 5_000)
})
