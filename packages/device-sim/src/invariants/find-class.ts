import type { Scenario } from '../scenario/schema.ts'

/** Devices are named `<prefix>-<class>-<number>`. @returns the name of the class, the longest where several fit */
export function findClass(scenario: Scenario, device: string): string | undefined {
  const named = device.slice(0, device.lastIndexOf('-'))
  const fitting = Object.keys(scenario.devices).filter((name) => named.endsWith(`-${name}`))
  return fitting.sort((a, b) => b.length - a.length)[0]
}
