import { describe, expect, test } from 'vitest'
import { createAddressStanding } from './address-standing.ts'

function setUp(maxAddresses = 100) {
  let at = 0
  const standing = createAddressStanding({ maxAddresses, allowance: 50, now: () => at })
  const times = (count: number, act: () => void) => {
    for (let time = 0; time < count; time++) act()
  }
  const pass = (ms: number) => {
    at += ms
  }
  const room = (group: string, counts = {}) => standing.room(group, { underWay: 0, waiting: 0, ...counts })
  return { standing, times, pass, room }
}

describe('an address', () => {
  test('is unknown, then known by those it brought, and that fades', () => {
    const { standing, pass } = setUp()
    expect(standing.rank('a')).toBe(1)
    standing.admitted('a')
    expect(standing.rank('a')).toBe(0)
    pass(3_600_000)
    expect(standing.rank('a')).toBe(0)
    standing.left('a')
    expect(standing.rank('a')).toBe(1)
  })

  test('that wastes handshakes is put last, then has few of them, until it has been quiet', () => {
    const { standing, times, pass, room } = setUp()
    times(25, () => standing.failed('a'))
    expect([standing.rank('a'), room('a'), standing.isBad('a')]).toEqual([2, Number.POSITIVE_INFINITY, false])
    times(1_000, () => standing.failed('a'))
    expect([room('a'), room('b'), standing.isBad('a'), standing.badCount()]).toEqual([
      0,
      Number.POSITIVE_INFINITY,
      true,
      1,
    ])
    pass(1_000)
    expect(room('a')).toBe(1)
    pass(2_000)
    expect([room('a'), room('a', { underWay: 2 }), room('a', { underWay: 9 })]).toEqual([3, 1, 0])
    pass(100_000)
    expect([room('a'), standing.isBad('a')]).toEqual([Number.POSITIVE_INFINITY, false])
  })

  test('has so many that nobody waits for long, who is there by himself or among others', () => {
    const { standing, times, pass, room } = setUp()
    for (const group of ['alone', 'nat']) times(200, () => standing.refused(group))
    standing.admitted('nat')
    for (const [group, waiting, back] of [
      ...([
        ['alone', 1, 1],
        ['alone', 50, 10],
        ['nat', 1, 5],
        ['nat', 80, 20],
      ] as const),
    ]) {
      room(group, { waiting })
      standing.failed(group)
      const before = room(group, { waiting })
      pass(1_000)
      expect([group, waiting, room(group, { waiting }) - before]).toEqual([group, waiting, back])
      times(200, () => standing.failed(group))
    }
    expect([standing.isBad('alone'), standing.isBad('nat')]).toEqual([true, false])
  })

  test('has wasted them sooner when it was told several times that they lead to nothing', () => {
    const { standing, times, room } = setUp()
    times(5, () => standing.hammered('a'))
    expect(room('a')).toBe(Number.POSITIVE_INFINITY)
    standing.hammered('a')
    expect([room('a'), standing.rank('a')]).toEqual([20, 1])
  })

  test('is not charged for who is admitted, nor for what was no handshake', () => {
    const { standing, times, room } = setUp()
    times(500, () => {
      standing.admitted('nat')
      standing.left('nat')
      standing.stalled('nat')
      standing.bothered('nat')
    })
    expect(room('nat')).toBe(Number.POSITIVE_INFINITY)
  })

  test('with a revoked device that tries every second is not even put last', () => {
    const { standing, times, pass, room } = setUp()
    times(600, () => {
      standing.refused('home')
      pass(1_000)
    })
    expect([standing.rank('home'), room('home')]).toEqual([1, Number.POSITIVE_INFINITY])
  })

  test('is one of a bounded number, and those with devices here are the last to be forgotten', () => {
    const { standing, times } = setUp(3)
    standing.admitted('kept')
    for (const group of ['a', 'b', 'c']) times(120, () => standing.failed(group))
    expect(standing.rank('kept')).toBe(0)
    expect(['a', 'b', 'c'].map((group) => standing.rank(group))).toEqual([1, 2, 2])
  })
})
