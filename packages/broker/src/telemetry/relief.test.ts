import { expect, test, vi } from 'vitest'
import type { Session } from '../sessions/session.ts'
import { createIngest } from './ingest.ts'
import { openRelief } from './relief.ts'
import { createTelemetryWriter, type TelemetryRow } from './telemetry-writer.ts'

/** What of a session is asked for here. */
function openSession(device: string) {
  const told: string[] = []
  const socket = { destroyed: false }
  const end = (reasonCode: number, reason: string) => {
    told.push(`${reasonCode} ${reason.split(':')[0]}`)
    socket.destroyed = true
  }
  const parts = { key: device, peer: { identity: { fleet: 'f', device } }, socket, transport: { end } }
  return { told, session: { ...parts, owesSince: undefined } as unknown as Session }
}

function openNode(bounds: { holdMs: number; maxQueuedRows?: number; relievedPerSecond?: number }) {
  const state = { isHere: false }
  const inserted: string[] = []
  const insert = async (rows: readonly TelemetryRow[]) => void inserted.push(...rows.map(({ payload }) => `${payload}`))
  const { holdMs, relievedPerSecond = 40, maxQueuedRows = 100 } = bounds
  const writer = createTelemetryWriter({ insert, isHere: () => state.isHere, retryMs: 5, maxQueuedRows })
  const now = () => new Date()
  const ingest = createIngest({ writer, now, onDropped() {} })
  const publish = (session: Session, payload: string, qos: 0 | 1 | 2 = 1) =>
    ingest(session, { topic: 't', payload: Buffer.from(payload), qos })
  const relieve = (sessions: Session[]) => {
    const onRelieved = vi.fn()
    const limits = { holdMs, relievedPerSecond }
    return { onRelieved, relief: openRelief({ writer, list: () => sessions, limits, now, onRelieved, onError() {} }) }
  }
  return { state, inserted, writer, publish, relieve }
}

test('a client whose message has waited too long is told, and one whose message has not stays', async () => {
  const { state, inserted, writer, publish, relieve } = openNode({ holdMs: 400 })
  await using _writer = writer
  const [early, late] = [openSession('early'), openSession('late')]
  const first = publish(early.session, 'early')
  const refused = expect(first).rejects.toMatchObject({ code: 'unavailable' })
  const { relief, onRelieved } = relieve([early.session, late.session])
  await using _relief = relief
  await vi.waitFor(() => expect(early.told).toEqual(['137 unavailable']), 3_000)
  const second = publish(late.session, 'late')
  await refused
  state.isHere = true
  await second
  expect(late.told).toEqual([])
  expect(inserted).toEqual(['late'])
  expect(onRelieved).toHaveBeenCalledTimes(1)
})

test('what there is no room for is not answered, nor what comes after it; its client is sent away when the database is back', async () => {
  const { state, inserted, writer, publish, relieve } = openNode({ holdMs: 60_000, maxQueuedRows: 1 })
  await using _writer = writer
  const [full, over] = [openSession('full'), openSession('over')]
  const { relief } = relieve([full.session, over.session])
  await using _relief = relief
  const held = publish(full.session, 'held')
  const outcomes: string[] = []
  const note = (what: string, promise: Promise<void>) =>
    promise.then(
      () => outcomes.push(`${what} stored`),
      () => outcomes.push(`${what} refused`),
    )
  void note('first', publish(over.session, 'first'))
  state.isHere = true
  await held
  void note('second', publish(over.session, 'second'))
  await vi.waitFor(() => expect(over.told).toEqual(['137 unavailable']), 3_000)
  expect(outcomes).toEqual([])
  expect(inserted).toEqual(['held'])
  expect(full.told).toEqual([])
  // A new connection of the same device begins afresh.
  await publish(openSession('over').session, 'first')
  expect(inserted).toEqual(['held', 'first'])
})

test('not all at once: each of them comes back', async () => {
  const { writer, publish, relieve } = openNode({ holdMs: 0, relievedPerSecond: 4 })
  await using _writer = writer
  const all = ['a', 'b', 'c'].map(openSession)
  const refused = all.map(({ session }, index) => expect(publish(session, `${index}`)).rejects.toThrow())
  const { relief, onRelieved } = relieve(all.map(({ session }) => session))
  await using _relief = relief
  const seen = new Set<number>()
  await vi.waitFor(
    () => {
      seen.add(onRelieved.mock.calls.length)
      expect(onRelieved).toHaveBeenCalledTimes(3)
    },
    { timeout: 5_000, interval: 20 },
  )
  expect(seen).toContain(1)
  await Promise.all(refused)
})
