import { expect, test } from 'vitest'
import { PacketIds } from './in-flight.ts'

const entry = (id: number) => ({ id, qos: 1 as const, isReleased: false, message: undefined })

test('packet ids in use are passed over, round and round, and the last of all is never given out', () => {
  const ids = new PacketIds()
  ids.add(entry(2))
  const given = Array.from({ length: 65_534 }, () => ids.next())
  expect(new Set(given).size).toBe(65_533)
  expect(given).not.toContain(2)
  expect(Math.max(...given)).toBe(65_534)
  ids.delete(2)
  expect(ids.size).toBe(0)
  expect([ids.next(), ids.next()]).toEqual([2, 3])
})
