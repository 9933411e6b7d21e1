import type { DeviceClass } from '../scenario/device-class.ts'
import type { Scenario } from '../scenario/schema.ts'
import { createShuffle } from './shuffle.ts'

export interface ClassLayout {
  name: string
  class: DeviceClass
  /** Index of its first device in the fleet. */
  from: number
  count: number
  /** The order in which something takes its devices; each thing has another. */
  shuffle(what: string): (number: number) => number
}

const layouts = new WeakMap<Scenario, ClassLayout[]>()

/** Which devices belong to which class. */
export function layFleetOut(scenario: Scenario): ClassLayout[] {
  const known = layouts.get(scenario)
  if (known) return known
  let next = 0
  const layout = Object.entries(scenario.devices).map(([name, device]) => {
    const from = next
    next += device.count
    return {
      name,
      class: device,
      from,
      count: device.count,
      shuffle: rememberShuffles(scenario.seed, name, device.count),
    }
  })
  layouts.set(scenario, layout)
  return layout
}

function rememberShuffles(seed: number, name: string, count: number): ClassLayout['shuffle'] {
  const shuffles = new Map<string, (number: number) => number>()
  return (what) => {
    const known = shuffles.get(what) ?? createShuffle(count, seed, 'shuffle', name, what)
    shuffles.set(what, known)
    return known
  }
}

export function countDevices(scenario: Scenario): number {
  return Object.values(scenario.devices).reduce((sum, { count }) => sum + count, 0)
}
