import { isErrorCode, MusterError } from '@muster/contracts'
import { type Packet, ReasonCodes } from 'mqtt'

// MQTT 5 §3.2.2.2: the server may be well again in a while, or is another one.
const temporary = new Set([0x88, 0x89, 0x97, 0x9c, 0x9d, 0x9f])
// MQTT 3.1.1 §3.2.2.3: "server unavailable"
const temporaryBefore5 = 3
// MQTT 5 §3.14.2.1: not authorized, session taken over, administrative action
const dismissals = new Set([0x87, 0x8e, 0x98])

/**
 * The refusal in a CONNACK or DISCONNECT after which coming back soon is of no use; undefined for any other packet.
 * Its code is the broker's own where that gives one (MQTT 5), else `forbidden`.
 */
export function refusalOf(packet: Packet): MusterError | undefined {
  const code = reasonOf(packet)
  if (code === undefined) return undefined
  const [, named, detail] = /^([a-z-]+): (.*)$/s.exec(reasonStringOf(packet)) ?? []
  // It was let in and may come back at once: what it may not subscribe to, it is told again.
  if (packet.cmd === 'disconnect' && named === 'subscribe-denied') return undefined
  if (isErrorCode(named)) return new MusterError(named, detail ?? '')
  const name = (ReasonCodes as Record<number, string>)[code] ?? 'unknown reason'
  return new MusterError('forbidden', `the broker says: ${name} (${code})`)
}

function reasonOf(packet: Packet): number | undefined {
  if (packet.cmd === 'disconnect') return dismissals.has(packet.reasonCode ?? 0) ? packet.reasonCode : undefined
  if (packet.cmd !== 'connack') return undefined
  const { reasonCode, returnCode = 0 } = packet
  if (reasonCode !== undefined) return reasonCode >= 0x80 && !temporary.has(reasonCode) ? reasonCode : undefined
  return returnCode > 0 && returnCode !== temporaryBefore5 ? returnCode : undefined
}

function reasonStringOf(packet: Packet): string {
  if (packet.cmd !== 'connack' && packet.cmd !== 'disconnect') return ''
  return packet.properties?.reasonString ?? ''
}
