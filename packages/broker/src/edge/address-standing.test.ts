import { describe, expect, test } from 'vitest'
import { createAddressStanding } from './address-standing.ts'

function setUp(maxAddresses = 100) {
  let at = 0
  const standing = createAddressStanding({ maxAddresses, now: () => at })
  const times = (count: number, act: () => void) => {
    for (let time = 0; time < count; time++) act()
  }
  const pass = (ms: number) => {
    at += ms
  }
  return { standing, times, pass }
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

  test('that brings nothing good is put last, then shut, with few tries, until it has been quiet', () => {
    const { standing, times, pass } = setUp()
    times(6, () => standing.failed('a'))
    expect([standing.rank('a'), standing.isShut('a')]).toEqual([2, false])
    times(100, () => standing.failed('a'))
    expect([standing.isShut('a'), standing.isShut('a'), standing.isShut('b')]).toEqual([false, true, false])
    expect(standing.shutCount()).toBe(1)
    pass(1_000)
    expect([standing.isShut('a'), standing.isShut('a')]).toEqual([false, true])
    pass(30_000)
    expect([standing.isShut('a'), standing.isShut('a')]).toEqual([false, false])
  })

  test('with one bad device among good ones is never shut', () => {
    const { standing, times } = setUp()
    standing.admitted('nat')
    times(10_000, () => standing.failed('nat'))
    expect(standing.isShut('nat')).toBe(false)
    expect(standing.rank('nat')).toBe(2)
    standing.left('nat')
    expect([standing.isShut('nat'), standing.isShut('nat')]).toEqual([false, true])
  })

  test('with a revoked device that tries every second is not even put last', () => {
    const { standing, times, pass } = setUp()
    times(600, () => {
      standing.refused('home')
      pass(1_000)
    })
    expect([standing.rank('home'), standing.isShut('home')]).toEqual([1, false])
    times(2_000, () => standing.refused('home'))
    expect([standing.isShut('home'), standing.isShut('home')]).toEqual([false, true])
  })

  test('whose devices come and go is not shut for a tenth of them failing', () => {
    const { standing, times } = setUp()
    times(40, () => {
      standing.admitted('nat')
      standing.left('nat')
      times(5, () => standing.failed('nat'))
    })
    expect([standing.isShut('nat'), standing.isShut('nat')]).toEqual([false, false])
  })

  test('is one of a bounded number, and those with devices here are the last to be forgotten', () => {
    const { standing, times } = setUp(3)
    standing.admitted('kept')
    for (const group of ['a', 'b', 'c']) times(120, () => standing.failed(group))
    expect(standing.rank('kept')).toBe(0)
    expect(['a', 'b', 'c'].map((group) => standing.rank(group))).toEqual([1, 2, 2])
  })
})
