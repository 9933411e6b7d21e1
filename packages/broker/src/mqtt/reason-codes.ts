import type { ErrorCode } from '@muster/contracts'

/** MQTT 5 reason codes that Muster sends, but for those of SUBACK. */
export const reasonCodes = {
  malformedPacket: 0x81,
  protocolError: 0x82,
  unsupportedVersion: 0x84,
  notAuthorized: 0x87,
  serverBusy: 0x89,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  idNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
} as const

const reasonNames = new Map<number, string>(Object.entries(reasonCodes).map(([name, code]) => [code, name]))

/** Who ended a connection: the client, or this side, and why. */
export function nameReason(reasonCode: number | undefined): string {
  return reasonCode === undefined ? 'client' : (reasonNames.get(reasonCode) ?? 'other')
}

/** CONNACK return codes of MQTT 3.1.1 and reason codes of MQTT 5; what is not here is "not authorised". */
const connackCodes: Partial<Record<ErrorCode, readonly [v4: number, v5: number]>> = {
  'client-id-mismatch': [2, 0x85],
  unavailable: [3, 0x88],
  'quota-exceeded': [3, 0x97],
  'request-too-large': [5, 0x95],
}
const refused = [5, 0x87] as const

export function connackCode(code: ErrorCode, version: number): number {
  const [v4, v5] = connackCodes[code] ?? refused
  return version === 5 ? v5 : v4
}
