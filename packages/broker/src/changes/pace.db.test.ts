import { changesChannel } from '@muster/contracts'
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
