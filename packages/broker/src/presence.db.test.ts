import { devices, fleets, nodes, openDb } from '@muster/db'
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
  const options = { db, now: () => time, everyMs: 10, seenEveryMs: 20, onElsewhere() {}, onError() {} }
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
    const visitor = session('b')
    n1.connected(visitor)
    n1.disconnected(visitor)
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

test('a device that is at two nodes is noticed by whoever writes second; the latest connection has the row', async () => {
  await using database = await openTestDb()
  await using db = await openDb({ url: database.as('muster_broker'), role: 'muster_broker' })
  const start = new Date('2027-01-01T00:00:00Z')
  const at = (ms: number) => start.getTime() + ms
  await database.db.insert(fleets).values({ name: 'f', createdAt: start, onClone: 'keep-oldest' })
  const row = { fleet: 'f', id: 'a', group: 'g', policy: 'device', profile: 'device', state: 'active' } as const
  await database.db.insert(devices).values({ ...row, enrolledAt: start, stateAt: start, keyFingerprint: 'a' })
  const lease = { startedAt: start, leaseUntil: new Date('2100-01-01') }
  await database.db.insert(nodes).values([
    { name: 'n1', ...lease },
    { name: 'n2', ...lease },
  ])
  const noticed: unknown[] = []
  const open = (node: string) =>
    openPresence({
      ...{ db, node, now: () => start, everyMs: 10, onError() {} },
      onElsewhere: (session, place, action) => noticed.push([node, session.connectedAt, place, action]),
    })
  const here = (connectedAt: number, settled?: Session['settled']) =>
    Object.assign(session('a'), { connectedAt, settled })
  const look = async () => {
    const [found] = await database.db.select().from(devices)
    return [found?.node, found?.connectedAt?.getTime()]
  }
  /** Written when this resolves. */
  const write = async (node: string, work: (presence: ReturnType<typeof open>) => void) => {
    await using presence = open(node)
    work(presence)
  }
  await write('n1', (n1) => n1.connected(here(at(10))))
  await write('n2', (n2) => n2.connected(here(at(20))))
  expect(await look()).toEqual(['n2', at(20)])
  expect(noticed.splice(0)).toEqual([['n2', at(20), { node: 'n1', since: at(10) }, 'keep-oldest']])

  // Late, what n1 has to say of its older connection takes nothing from n2.
  await write('n1', (n1) => n1.connected(here(at(10))))
  expect(await look()).toEqual(['n2', at(20)])
  expect(noticed.splice(0)).toEqual([['n1', at(10), { node: 'n2', since: at(20) }, 'keep-oldest']])
  await write('n1', (n1) => n1.disconnected(here(at(10))))
  expect(await look()).toEqual(['n2', at(20)])

  // What is settled is settled for that connection, and for no later one.
  await write('n1', (n1) => n1.connected(here(at(10), { node: 'n2', since: at(20) })))
  expect(await look()).toEqual(['n1', at(10)])
  expect(noticed).toEqual([])
  await write('n2', (n2) => n2.connected(here(at(30), { node: 'n1', since: at(5) })))
  expect(noticed.splice(0)).toMatchObject([['n2', at(30), { node: 'n1' }, 'keep-oldest']])

  // A node that has lost its lease has nothing, whatever its clock said.
  await database.db.update(nodes).set({ leaseUntil: new Date('2020-01-01') })
  await write('n1', (n1) => n1.connected(here(at(1))))
  expect(await look()).toEqual(['n1', at(1)])
  expect(noticed).toEqual([])
})
