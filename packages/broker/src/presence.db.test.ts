import { devices, fleets, openDb } from '@muster/db'
import { openTestDb } from '@muster/db/testing'
import { expect, test, vi } from 'vitest'
import { openPresence } from './presence.ts'
import type { Session } from './sessions/session.ts'

const session = (device: string, lastPacketAt = 0) =>
  ({ key: `f/${device}`, peer: { identity: { fleet: 'f', device } }, lastPacketAt }) as Session

test('shows who is connected where, and since when', async () => {
  await using database = await openTestDb()
  await using db = await openDb({ url: database.as('muster_broker'), role: 'muster_broker' })
  const start = new Date('2027-01-01T00:00:00Z')
  let time = start
  const options = { db, now: () => time, everyMs: 10, seenEveryMs: 20, onError() {} }
  await database.db.insert(fleets).values({ name: 'f', createdAt: start })
  const row = { fleet: 'f', group: 'g', policy: 'device', profile: 'device', state: 'active' } as const
  const dates = { enrolledAt: start, stateAt: start }
  for (const id of ['a', 'b', 'c'])
    await database.db
      .insert(devices)
      .values({ ...row, ...dates, id, keyFingerprint: id, node: id === 'c' ? 'n1' : null })
  const look = async () => {
    const found = await database.db.select().from(devices).orderBy(devices.id)
    return found.map(({ node, connectedAt, seenAt }) => [node, connectedAt?.getTime(), seenAt?.getTime()])
  }
  const at = (ms: number) => start.getTime() + ms

  {
    await using n1 = openPresence({ ...options, node: 'n1' })
    // What a crash had left is cleared.
    await vi.waitFor(async () => expect((await look())[2]?.[0]).toBeNull())
    n1.connected(session('a'))
    // A visit too short for anybody to see still shows.
    n1.connected(session('b'))
    n1.disconnected(session('b'))
    await vi.waitFor(async () =>
      expect((await look()).slice(0, 2)).toEqual([
        ['n1', at(0), at(0)],
        [null, at(0), at(0)],
      ]),
    )

    // Heard of since.
    time = new Date(at(1_000))
    n1.watch(() => [session('a', at(1_000))])
    await vi.waitFor(async () => expect((await look())[0]).toEqual(['n1', at(0), at(1_000)]))
    n1.watch(() => [])
    // With this one everything has been written that was noted before.
    n1.connected(session('c'))
    await vi.waitFor(async () => expect((await look())[2]?.[0]).toBe('n1'))

    // It moves to another node before this one knows that it has gone.
    await using n2 = openPresence({ ...options, node: 'n2' })
    time = new Date(at(2_000))
    n2.connected(session('a'))
    await vi.waitFor(async () => expect((await look())[0]).toEqual(['n2', at(2_000), at(2_000)]))
    n1.disconnected(session('a'))
  }
  expect((await look())[0]).toEqual(['n2', at(2_000), at(2_000)])
})
