import type { MusterError } from '@muster/contracts'
import { refusalOf } from '@muster/device'
import type { MqttClient } from 'mqtt'
import type { Life } from './simulate-device.ts'

const mostRefusals = 3

/** Counts connections and their ends; `onRefused` is called once, when coming back is of no use. */
export function watchConnection(
  { device, settings, statistics, emit, signal }: Life,
  client: MqttClient,
  onRefused: (code: string) => void,
): void {
  const { counts } = statistics
  let reasonCode: number | undefined
  let refusal: MusterError | undefined
  let connected = true
  let refusals = 0
  counts.connections += 1
  counts.connected += 1

  client.on('connect', () => {
    connected = true
    refusals = 0
    counts.connections += 1
    counts.connected += 1
    emit({ type: 'connected', device })
  })
  client.on('disconnect', (packet) => {
    reasonCode = packet.reasonCode
  })
  client.on('close', () => {
    if (!connected) return
    connected = false
    counts.connected -= 1
    if (!signal.aborted) emit({ type: 'closed', device, ...(reasonCode !== undefined && { reasonCode }) })
    reasonCode = undefined
    if (refusal) onRefused(refusal.code)
  })
  client.on('packetreceive', (packet) => {
    const found = refusalOf(packet)
    refusals += found ? 1 : 0
    // A device that renews has two certificates at times, and tries both.
    if (found && settings.renew && refusals < mostRefusals && isOfCertificate(found))
      statistics.fail('connect', found.code)
    else refusal ??= found
    if (refusal && !connected) onRefused(refusal.code)
  })
}

/** MQTT 3.1.1 has no words for it. */
function isOfCertificate({ code }: MusterError): boolean {
  return code.startsWith('certificate-') || code === 'forbidden'
}
