import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createTicketMaterial, type Holding } from './ticket-material.ts'

function setUp(authorities = ['root']) {
  const world = { held: [] as Holding[], period: 10, authorities }
  const material = createTicketMaterial({
    held: () => world.held,
    currentPeriod: () => world.period,
    authorities: () => world.authorities,
  })
  return { world, material, name: () => material.current().subarray(0, 16) }
}
const holding = (period: number): Holding => ({ id: `k${period}`, period, secret: randomBytes(32) })

test('a key counts in its period and the next, and in no later one', () => {
  const { world, material, name } = setUp()
  world.held = [holding(10), holding(11), holding(12)]
  const first = name()
  expect(material.current()).toHaveLength(48)
  expect(material.find(first)).toBe(material.current())
  world.period = 11
  expect(name()).not.toEqual(first)
  expect(material.find(first)).toHaveLength(48)
  world.period = 12
  expect(material.find(first)).toBeUndefined()
  expect(material.find(randomBytes(16))).toBeUndefined()
})

test('two nodes with the same secret and the same CAs have the same key; with other CAs they have not', () => {
  const shared = holding(10)
  const [a, b, c] = [setUp(['root', 'issuing-1']), setUp(['issuing-1', 'root']), setUp(['root'])]
  for (const { world } of [a, b, c]) world.held = [shared]
  expect(a.material.current()).toEqual(b.material.current())
  expect(c.material.find(a.name())).toBeUndefined()
  const before = a.name()
  a.world.authorities = ['root', 'issuing-1', 'issuing-2']
  expect(a.material.find(before)).toBeUndefined()
})

test('a node alone has keys of its own, which end like shared ones, and with the CAs they were made for', () => {
  const [a, b] = [setUp(), setUp()]
  const first = a.name()
  expect(b.material.find(first)).toBeUndefined()
  a.world.held = [holding(10)]
  expect(a.material.find(first)).toHaveLength(48)
  a.world.held = []
  a.world.period = 11
  expect(a.material.find(first)).toHaveLength(48)
  a.world.authorities = []
  expect(a.material.find(first)).toBeUndefined()
  a.world.authorities = ['root']
  a.world.period = 12
  expect(a.material.find(first)).toBeUndefined()
})
