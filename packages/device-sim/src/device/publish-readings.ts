import type { Enrolment } from '@muster/contracts'
import type { MqttClient } from 'mqtt'
import { createRandom } from '../random.ts'
import type { Life } from './simulate-device.ts'

const maxUnacknowledged = 20

/** Publishes a reading every interval, give or take a tenth. Offline or overrun it measures on and sends nothing. Answers how to stop. */
export function publishReadings(life: Life, client: MqttClient, enrolment: Enrolment): () => void {
  const { settings, statistics, sensor, device, emit } = life
  const { intervalMs, qos } = settings
  const topic = `fleets/${enrolment.device.fleet}/devices/${enrolment.device.id}/telemetry/environment`
  const random = createRandom(settings.seed, life.index, 'timing')
  let unacknowledged = 0
  let acknowledgedOne = false

  const publish = () => {
    const reading = sensor.read()
    if (!client.connected || unacknowledged >= maxUnacknowledged) {
      statistics.skipped += 1
      return
    }
    const startedAt = performance.now()
    unacknowledged += 1
    statistics.counts.published += 1
    const payload = JSON.stringify({ at: new Date().toISOString(), ...reading })
    client.publish(topic, payload, { qos }, (error) => {
      unacknowledged -= 1
      if (error) return statistics.fail('publish', describeFailure(error))
      const ms = performance.now() - startedAt
      statistics.record('publish', ms)
      statistics.counts.acknowledged += 1
      if (!acknowledgedOne) emit({ type: 'published', device, topic, ms })
      acknowledgedOne = true
    })
  }

  let dueAt = performance.now() + random() * intervalMs
  const schedule = () =>
    setTimeout(
      () => {
        publish()
        // A process that was stopped for a while does not catch up with a burst.
        dueAt = Math.max(dueAt, performance.now() - intervalMs) + intervalMs * (0.9 + random() / 5)
        timer = schedule()
      },
      Math.max(0, dueAt - performance.now()),
    )
  let timer = schedule()
  return () => clearTimeout(timer)
}

function describeFailure(error: Error): string {
  return 'code' in error && typeof error.code === 'number' ? `0x${error.code.toString(16)}` : 'connection-closed'
}
