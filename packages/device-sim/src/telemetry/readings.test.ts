import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createRandom } from '../random.ts'
import type { Payload } from '../scenario/device-class.ts'
import { createReadings, encodeReading } from './readings.ts'

const shapes: Payload[] = [
  { shape: 'environment' },
  { shape: 'position' },
  { shape: 'meter' },
  { shape: 'bytes', size: [64, 400] },
]

function readMany(payload: Payload, seed: number, count = 200): string[] {
  const random = createRandom(seed, 3, 'readings')
  const read = createReadings(payload, random)
  return Array.from({ length: count }, (_, at) => String(encodeReading({ n: at + 1, ...read() }, payload, random)))
}

test.each(shapes)('$shape: the same seed gives the same readings, another others', (payload) => {
  expect(readMany(payload, 7)).toEqual(readMany(payload, 7))
  expect(readMany(payload, 8)).not.toEqual(readMany(payload, 7))
  for (const [at, text] of readMany(payload, 7).entries()) expect(JSON.parse(text)).toMatchObject({ n: at + 1 })
})

test('the same on every machine and in every version', () => {
  const all = readMany({ shape: 'environment' }, 1, 100).join('\n')
  expect(hash('sha256', all)).toBe('7aa970326e1da5829f1ad8ad2ab44216c6526f7f51d856374c51c149b4479a20')
})

test('an environment is of this world', () => {
  for (let seed = 0; seed < 10; seed += 1)
    for (const text of readMany({ shape: 'environment' }, seed, 500)) {
      const { temperature, humidity, battery } = JSON.parse(text)
      expect(temperature).toBeGreaterThan(-10)
      expect(temperature).toBeLessThan(45)
      for (const share of [humidity, battery]) {
        expect(share).toBeGreaterThanOrEqual(0)
        expect(share).toBeLessThanOrEqual(100)
      }
    }
})

test('a meter only grows', () => {
  const totals = readMany({ shape: 'meter' }, 1).map((text) => JSON.parse(text).total)
  expect(totals).toEqual(totals.toSorted((a, b) => a - b))
  expect(new Set(totals).size).toBe(totals.length)
})

test('a vehicle stays on the map, and moves by no more than it is fast', () => {
  const places = readMany({ shape: 'position' }, 1, 1_000).map((text) => JSON.parse(text))
  for (const [at, { latitude, longitude, speed }] of places.entries()) {
    const before = places[at - 1]
    if (!before) continue
    const metres = Math.hypot(latitude - before.latitude, (longitude - before.longitude) * Math.cos(latitude / 57.3))
    expect(metres * 111_320).toBeLessThan(speed + 0.3)
  }
})

test('bytes: as many as are wanted, JSON included', () => {
  const lengths = readMany({ shape: 'bytes', size: [64, 400] }, 1).map((text) => text.length)
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(64)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(400)
  expect(new Set(lengths).size).toBeGreaterThan(50)
  expect(new Set(readMany({ shape: 'bytes', size: 1_000 }, 1).map((text) => text.length))).toEqual(new Set([1_000]))
})
