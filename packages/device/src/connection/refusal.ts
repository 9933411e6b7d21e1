import { MusterError } from '@muster/contracts'
import { ReasonCodes } from 'mqtt'

// MQTT 5 §3.2.2.2: the server may be well again in a while, or is another one.
const temporary = new Set([0x88, 0x89, 0x97, 0x9c, 0x9d, 0x9f])
// MQTT 3.1.1 §3.2.2.3: "server unavailable"
const temporaryBefore5 = new Set([3])

/** The refusal in an error of mqtt.js, if the broker gave a lasting one in its CONNACK; undefined for anything else. */
export function refusalOf(error: Error, protocolVersion: number): MusterError | undefined {
  const code = 'code' in error && typeof error.code === 'number' ? error.code : undefined
  if (code === undefined || !isLasting(code, protocolVersion)) return undefined
  const name = (ReasonCodes as Record<number, string>)[code] ?? 'unknown reason'
  return new MusterError('forbidden', `the broker refused the connection: ${name} (${code})`, { cause: error })
}

function isLasting(code: number, protocolVersion: number): boolean {
  if (protocolVersion < 5) return code > 0 && code < 0x80 && !temporaryBefore5.has(code)
  return code >= 0x80 && !temporary.has(code)
}
