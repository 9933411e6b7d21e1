import { refusalOf } from '@muster/device'
import type { MqttClient } from 'mqtt'
import type { Life } from './simulate-device.ts'

// MQTT 5 §3.14.2.1: not authorized, session taken over, administrative action
const dismissals = new Set([0x87, 0x8e, 0x98])

/** Counts connections and their ends; `onRefused` is called once, when coming back is of no use. */
export function watchConnection(
  { device, statistics, emit, settings, signal }: Life,
  client: MqttClient,
  onRefused: (code: string) => void,
): void {
  const { counts } = statistics
  let reasonCode: number | undefined
  let connected = true
  let over = false
  const refuse = (code: string) => {
    if (over) return
    over = true
    onRefused(code)
  }
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
    if (reasonCode !== undefined && dismissals.has(reasonCode)) refuse(`disconnect-0x${reasonCode.toString(16)}`)
    reasonCode = undefined
  })
  client.on('error', (error) => {
    const refusal = refusalOf(error, settings.protocolVersion)
    if (refusal) refuse(refusal.code)
  })
}
