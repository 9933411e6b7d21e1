import { describe, expect, test } from 'vitest'
import { addressGroup, parseNetworks, readAddress } from './address.ts'
import { Crowd } from './crowd.ts'
import { TurnQueue } from './turn-queue.ts'

const item = (group: string, name = group) => ({ group, name })

describe('a crowd', () => {
  test('gives up the oldest of whoever brings the most', () => {
    const crowd = new Crowd<ReturnType<typeof item>>()
    const all = [item('a', 'a1'), item('b', 'b1'), item('b', 'b2'), item('c', 'c1')]
    for (const each of all) crowd.add(each)
    const leaving: string[] = []
    for (let next = crowd.greediest(); next; next = crowd.greediest()) {
      leaving.push(next.name)
      crowd.delete(next)
    }
    expect(leaving).toEqual(['b1', 'a1', 'c1', 'b2'])
    expect(crowd.size).toBe(0)
  })

  test('agrees with counting, whatever comes and goes', () => {
    const crowd = new Crowd<ReturnType<typeof item>>()
    const held: ReturnType<typeof item>[] = []
    let seed = 1
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    for (let step = 0; step < 500; step++) {
      if (random(2) > 0 || held.length === 0) {
        const each = item(`g${random(7)}`)
        held.push(each)
        crowd.add(each)
        crowd.add(each)
      } else {
        const [gone] = held.splice(random(held.length), 1)
        if (gone) expect([crowd.delete(gone), crowd.delete(gone)]).toEqual([true, false])
      }
      const count = (group: string) => held.filter((each) => each.group === group).length
      const most = Math.max(0, ...held.map(({ group }) => count(group)))
      const greediest = crowd.greediest()
      expect(crowd.size).toBe(held.length)
      expect(greediest ? count(greediest.group) : 0).toBe(most)
      expect(greediest).toBe(held.find(({ group }) => group === greediest?.group))
    }
  })
})

describe('a queue', () => {
  test('serves better classes first, and addresses in turns', () => {
    const queue = new TurnQueue<ReturnType<typeof item>>(3)
    for (const name of ['n1', 'n2', 'n3']) queue.push(item('nat', name), 1)
    queue.push(item('x', 'x1'), 1)
    queue.push(item('bad', 'bad1'), 2)
    queue.push(item('known', 'k1'), 0)
    const gone = item('x', 'x2')
    queue.push(gone, 1)
    queue.delete(gone)
    expect(queue.size).toBe(6)
    const served = Array.from({ length: 7 }, () => queue.take()?.name)
    expect(served).toEqual(['k1', 'n1', 'x1', 'n2', 'n3', 'bad1', undefined])
    expect(queue.size).toBe(0)
  })
})

describe('addresses', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::42', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ])('%s counts as %s', (address, group) => expect(addressGroup(address)).toBe(group))

  test('of IPv4 are written as such', () => {
    expect(readAddress({ remoteAddress: '::ffff:203.0.113.9' })).toBe('203.0.113.9')
    expect(readAddress({ remoteAddress: '::ffff:1' })).toBe('::ffff:1')
    expect(readAddress({})).toBe('unknown')
  })

  test.each([
    ['10.1.2.3', true],
    ['10.2.0.0', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['2001:db8::1', true],
    ['2001:db9::1', false],
    ['unknown', false],
  ])('%s is in the networks: %s', (address, expected) => {
    expect(parseNetworks(['10.1.0.0/16', '192.0.2.7', '2001:db8::/32']).has(address)).toBe(expected)
    expect(parseNetworks([]).has(address)).toBe(false)
  })
})
