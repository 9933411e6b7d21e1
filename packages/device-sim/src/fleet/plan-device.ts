import type { DevicePlan } from '../plan/device-plan.ts'
import { createRandom } from '../random.ts'
import { DeviceClass } from '../scenario/device-class.ts'
import { type FleetSettings, nameDevice } from './settings.ts'

const models = ['th-100', 'th-200', 'th-200x'] as const

/** What the seed decides about each device of an endless fleet: thermometers with the SDK's own client, and nothing goes wrong with them. */
export function createPlanner(settings: FleetSettings): (index: number) => DevicePlan {
  const { seed, prefix, keyAlgorithm, intervalMs: every, qos: level } = settings
  const thermometer = DeviceClass.parse({
    ...{ count: settings.devices, client: 'sdk', keygen: 'device' },
    mqtt: { version: settings.protocolVersion },
    // Less than scenarios may ask for is possible here.
    telemetry: [{ every: '1s' }],
  })
  return (index) => {
    const random = createRandom(seed, index, 'device')
    const firstAfterMs = random() * every
    return {
      ...{ index, keyAlgorithm, device: nameDevice(prefix, index), className: 'thermometer', class: thermometer },
      attributes: {
        model: models[Math.floor(random() * models.length)] ?? models[0],
        firmware: `1.${Math.floor(random() * 10)}.${Math.floor(random() * 10)}`,
      },
      streams: thermometer.telemetry.map((stream) => ({ ...stream, every, level, firstAfterMs })),
      clock: { skewMs: 0, driftPpm: 0, bootsAt: undefined },
      faults: [],
    }
  }
}
