import type { MusterError } from '@muster/contracts'
import { refusalOf } from '@muster/device'
import type { MqttClient } from 'mqtt'
import type { Life } from './simulate-device.ts'

/** Counts connections and their ends; `onRefused` is called once, when coming back is of no use. */
export function watchConnection(
  { device, statistics, emit, signal }: Life,
  client: MqttClient,
  onRefused: (code: string) => void,
): void {
  const { counts } = statistics
  let reasonCode: number | undefined
  let refusal: MusterError | undefined
  let connected = true
  counts.connections += 1
  counts.connected += 1

  client.on('connect', () => {
    connected = true
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
    refusal ??= refusalOf(packet)
    if (refusal && !connected) onRefused(refusal.code)
  })
}
