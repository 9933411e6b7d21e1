import { isErrorCode } from '@muster/contracts'
import type { Observation } from '../observations.ts'

type Refused = Extract<Observation, { saw: 'refused' }>

/** Not a no but a later: nothing is wrong with who asks, and nothing is put on record against it. */
const temporary = ['rate-limited', 'unavailable', 'internal', 'conflict', 'device-pending']
/** What MQTT says of the node, of another connection of the same device, or of an exchange that is over. */
const ofTheNode = ['0x03', '0x88', '0x89', '0x8b', '0x8d', '0x8e', '0x92', '0x97']

/** What devices that are told a bare number may have on record. */
const standFor = {
  connect: /^(device|certificate|tls|client-id|will)-|^(packet-malformed|protocol-error|forbidden)$/,
  publish: /^(publish-denied|packet-malformed|protocol-error|quota-exceeded)$/,
  subscribe: /^(subscribe-denied|packet-malformed|protocol-error)$/,
}

/** Which codes of the platform's record would explain it; undefined where there need be none. */
export function codesThatExplain({
  doing,
  code,
}: Pick<Refused, 'doing' | 'code'>): ((code: string) => boolean) | undefined {
  if (temporary.includes(code) || ofTheNode.includes(code.toLowerCase())) return undefined
  if (isErrorCode(code)) return (found) => found === code
  // Over HTTPS each refusal has a code: this was the network.
  if (doing === 'enrol' || doing === 'renew') return undefined
  const pattern = /^0x[0-9a-f]+$|^ERR_SSL|alert/i.test(code) ? standFor[doing] : undefined
  return pattern && ((found) => pattern.test(found))
}
