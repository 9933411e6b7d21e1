import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createRandom } from '../random.ts'
import { createSensor } from './sensor.ts'

const readings = (seed: number, index: number, count = 500) => {
  const sensor = createSensor(seed, index)
  return { attributes: sensor.attributes, readings: Array.from({ length: count }, () => sensor.read()) }
}

test('the same seed and index give the same device and readings', () => {
  expect(readings(7, 3)).toEqual(readings(7, 3))
})

test('on every machine and in every version', () => {
  expect(hash('sha256', JSON.stringify(readings(1, 0, 100)))).toBe(
    '5b36619806f85dd3bcda00eb23212e2affd8993308f113ee5f0d178284c02d16',
  )
})

test.each([
  [7, 4],
  [8, 3],
])('seed %i and index %i give others', (seed, index) => {
  expect(readings(seed, index).readings).not.toEqual(readings(7, 3).readings)
})

test('readings are of this world', () => {
  for (let index = 0; index < 10; index += 1)
    for (const [position, reading] of readings(1, index).readings.entries()) {
      expect(reading.seq).toBe(position + 1)
      expect(reading.temperature).toBeGreaterThan(-10)
      expect(reading.temperature).toBeLessThan(45)
      expect(reading.humidity).toBeGreaterThanOrEqual(0)
      expect(reading.humidity).toBeLessThanOrEqual(100)
      expect(reading.battery).toBeGreaterThan(0)
      expect(reading.battery).toBeLessThanOrEqual(100)
    }
})

test('random numbers fill [0, 1) evenly', () => {
  const random = createRandom('even', 1)
  const buckets = Array.from({ length: 10 }, () => 0)
  for (let draw = 0; draw < 10_000; draw += 1) {
    const bucket = Math.floor(random() * 10)
    buckets[bucket] = (buckets[bucket] ?? 0) + 1
  }
  expect(buckets).toHaveLength(10)
  for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150)
})
