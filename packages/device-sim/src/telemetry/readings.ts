import type { Payload } from '../scenario/device-class.ts'

type Random = () => number
type Read = () => Record<string, number | string>

const smallestText = 'x'

/** What a sensor measures, one after another; the same random numbers give the same readings. */
export function createReadings(payload: Payload, random: Random): Read {
  switch (payload.shape) {
    case 'environment':
      return environment(random)
    case 'position':
      return position(random)
    case 'meter':
      return meter(random)
    case 'bytes':
      return () => ({ text: smallestText })
  }
}

/** A reading with the number of its message as it is sent; `bytes`: filled up to its size, JSON and all. */
export function encodeReading(reading: Record<string, unknown>, payload: Payload, random: Random): Buffer {
  if (payload.shape !== 'bytes') return Buffer.from(JSON.stringify(reading))
  const { size } = payload
  const [least, most] = typeof size === 'number' ? [size, size] : size
  const wanted = least + Math.floor(random() * (most - least + 1))
  const missing = wanted - Buffer.byteLength(JSON.stringify(reading))
  return Buffer.from(JSON.stringify({ ...reading, text: smallestText.repeat(Math.max(1, 1 + missing)) }))
}

function environment(random: Random): Read {
  const normal = { temperature: 5 + random() * 25, humidity: 30 + random() * 40 }
  let { temperature, humidity } = normal
  let battery = 60 + random() * 40
  const walk = (value: number, around: number, step: number) =>
    value + (random() - 0.5) * 2 * step + (around - value) * 0.02
  return () => {
    temperature = walk(temperature, normal.temperature, 0.3)
    humidity = Math.min(100, Math.max(0, walk(humidity, normal.humidity, 0.8)))
    battery = battery > 5 ? battery - random() * 0.01 : 100
    return { temperature: round(temperature, 2), humidity: round(humidity, 2), battery: round(battery, 2) }
  }
}

const metresPerDegree = 111_320

function position(random: Random): Read {
  let latitude = 46 + random() * 6
  let longitude = 6 + random() * 9
  let heading = random() * 360
  let speed = 0
  return () => {
    speed = Math.min(36, Math.max(0, speed + (random() - 0.45) * 4))
    heading = (heading + (random() - 0.5) * 30 + 360) % 360
    const turn = (heading * Math.PI) / 180
    latitude += (speed * Math.cos(turn)) / metresPerDegree
    longitude += (speed * Math.sin(turn)) / (metresPerDegree * Math.cos((latitude * Math.PI) / 180))
    const place = { latitude: round(latitude, 6), longitude: round(longitude, 6) }
    return { ...place, speed: round(speed, 1), heading: round(heading, 0) }
  }
}

function meter(random: Random): Read {
  let total = Math.floor(random() * 100_000)
  const usual = 0.2 + random() * 2
  return () => {
    total += usual * (0.5 + random())
    return { total: round(total, 3), power: round(usual * 1_000 * (0.5 + random()), 0) }
  }
}

function round(value: number, digits: number): number {
  const factor = 10 ** digits
  return Math.round(value * factor) / factor
}
