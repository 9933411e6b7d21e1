import { createRandom } from '../random.ts'

export interface Reading {
  seq: number
  temperature: number
  humidity: number
  battery: number
}

const models = ['th-100', 'th-200', 'th-200x'] as const

/** A sensor that walks at random around its own normal; the same seed and index give the same readings. */
export function createSensor(seed: number, index: number): { attributes: Record<string, string>; read(): Reading } {
  const random = createRandom(seed, index, 'readings')
  const walk = (value: number, normal: number, step: number) =>
    value + (random() - 0.5) * 2 * step + (normal - value) * 0.02
  const normal = { temperature: 5 + random() * 25, humidity: 30 + random() * 40 }
  const attributes = {
    model: models[Math.floor(random() * models.length)] ?? models[0],
    firmware: `1.${Math.floor(random() * 10)}.${Math.floor(random() * 10)}`,
  }
  let { temperature, humidity } = normal
  let battery = 60 + random() * 40
  let seq = 0
  return {
    attributes,
    read() {
      seq += 1
      temperature = walk(temperature, normal.temperature, 0.3)
      humidity = Math.min(100, Math.max(0, walk(humidity, normal.humidity, 0.8)))
      battery = battery > 5 ? battery - random() * 0.01 : 100
      return { seq, temperature: round(temperature), humidity: round(humidity), battery: round(battery) }
    },
  }
}

const round = (value: number) => Math.round(value * 100) / 100
