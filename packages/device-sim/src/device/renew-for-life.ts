import { keepRenewed } from '@muster/device'
import type { MqttClient } from 'mqtt'
import type { Life } from './simulate-device.ts'

/** Keeps the certificate of a simulated device renewed, and counts how that goes. */
export function renewForLife({ device, store, settings, statistics, emit }: Life, client: MqttClient): AsyncDisposable {
  const { newKeys: newKey, keyAlgorithm } = settings
  return keepRenewed({
    ...{ store, client, newKey, keyAlgorithm },
    onEvent(event) {
      if (event.type === 'failed') statistics.fail('renew', event.error.code)
      if (event.type !== 'admitted') return
      statistics.counts.renewals += 1
      statistics.record('overlap', event.overlapMs)
      emit({ type: 'renewed', device, ms: event.overlapMs })
    },
  })
}
