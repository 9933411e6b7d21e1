import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../random.ts'
import { createSchedule, packetBytes } from './schedule.ts'

const never = () => 1 - Number.EPSILON

test('without conditions everything is there at once', () => {
  const schedule = createSchedule({}, never, 100)
  expect(schedule(150, packetBytes)).toEqual({ departsAt: 150, arrivesAt: 150 })
})

test('the first bytes wait for the handshake of TCP', () => {
  const schedule = createSchedule({ latency: 40 }, never, 100)
  expect(schedule(100, 10)).toEqual({ departsAt: 180, arrivesAt: 220 })
  expect(schedule(500, 10)).toEqual({ departsAt: 500, arrivesAt: 540 })
})

test('bandwidth: each waits for those before it', () => {
  const schedule = createSchedule({ bandwidth: 1_000 }, never, 0)
  expect([schedule(0, 500), schedule(0, 500)].map(({ arrivesAt }) => arrivesAt)).toEqual([500, 1_000])
  expect(schedule(5_000, 100).arrivesAt).toBe(5_100)
})

describe('loss', () => {
  const drawing = (...numbers: number[]) => {
    const rest = [...numbers]
    return () => rest.shift() ?? 1
  }

  test('costs a timeout, doubled each time it is lost again, and those behind it wait', () => {
    // Jitter, then whether it is lost: twice yes, then no.
    const schedule = createSchedule({ loss: 0.1 }, drawing(0, 0.05, 0.05, 0.5), 0)
    expect(schedule(0, 10).arrivesAt).toBe(200 + 400)
    expect(schedule(1, 10).arrivesAt).toBe(600)
    expect(schedule(700, 10).arrivesAt).toBe(700)
  })

  test('the timeout grows with the way', () => {
    const schedule = createSchedule({ loss: 0.1, latency: 300 }, drawing(0, 0.05, 0.5), 0)
    expect(schedule(1_000, 10).arrivesAt).toBe(1_000 + 300 + 1_200)
  })

  test('even where all is lost, it comes at last', () => {
    expect(createSchedule({ loss: 1 }, () => 0, 0)(0, 1).arrivesAt).toBe(200 * (2 ** 8 - 1))
  })
})

test('nothing overtakes, nothing is early, and the same seed gives the same times', () => {
  const network = fc.record({
    latency: fc.nat(500),
    jitter: fc.nat(500),
    loss: fc.double({ min: 0, max: 1, noNaN: true }),
    bandwidth: fc.integer({ min: 1_000, max: 10_000_000 }),
  })
  const packets = fc.array(fc.record({ pause: fc.nat(100), bytes: fc.integer({ min: 1, max: packetBytes }) }))
  fc.assert(
    fc.property(network, packets, fc.nat(), (conditions, sent, seed) => {
      const play = () => {
        const schedule = createSchedule(conditions, createRandom(seed), 0)
        let now = 0
        return sent.map(({ pause, bytes }) => {
          now += pause
          const { arrivesAt } = schedule(now, bytes)
          expect(arrivesAt).toBeGreaterThanOrEqual(now + conditions.latency + (bytes * 1_000) / conditions.bandwidth)
          return arrivesAt
        })
      }
      const times = play()
      expect(times).toEqual(times.toSorted((one, other) => one - other))
      expect(play()).toEqual(times)
    }),
  )
})
