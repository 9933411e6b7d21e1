import type { DeviceClass } from '../scenario/device-class.ts'
import type { Scenario } from '../scenario/schema.ts'

/** Devices are named `<prefix>-<class>-<number>`. */
export function findClass(scenario: Scenario, device: string): DeviceClass | undefined {
  const named = device.slice(0, device.lastIndexOf('-'))
  const name = Object.keys(scenario.devices).find((one) => named.endsWith(`-${one}`))
  return name === undefined ? undefined : scenario.devices[name]
}
