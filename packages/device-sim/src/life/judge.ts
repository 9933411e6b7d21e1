import { isErrorCode, MusterError } from '@muster/contracts'
import { refusalOf } from '@muster/device'
import type { IConnackPacket } from 'mqtt'
import { ConnectFailure } from '../client/connect-options.ts'
import type { Version } from '../client/encode.ts'

export interface Judgement {
  /** The platform said no, and coming back soon is of no use; otherwise something failed. */
  refused: boolean
  /** Muster's own where it is told, else what MQTT or TLS calls it. */
  code: string
}

/** What a connection that was not admitted, or was ended, means to the device; as the SDK sees it. */
export function judgeFailure(error: unknown, version: Version): Judgement {
  if (error instanceof MusterError) return { refused: true, code: error.code }
  if (!(error instanceof ConnectFailure)) return { refused: false, code: codeOf(error) }
  const { reasonCode, reason, message } = error
  if (reasonCode === undefined) return { refused: isAlertAboutUs(message), code: message.toLowerCase() }
  const told = version === 5 ? { reasonCode, properties: { reasonString: reason } } : { returnCode: reasonCode }
  return judgeConnack({ cmd: 'connack', sessionPresent: false, ...told })
}

export function judgeConnack(packet: IConnackPacket): Judgement {
  const refusal = refusalOf(packet)
  const { reasonCode = packet.returnCode ?? 0, properties } = packet
  return { refused: refusal !== undefined, code: nameCode(refusal, reasonCode, properties?.reasonString ?? '') }
}

export function judgeDisconnect(reasonCode: number | undefined, reason: string): Judgement {
  if (reasonCode === undefined) return { refused: false, code: 'lost' }
  const refusal = refusalOf({ cmd: 'disconnect', reasonCode, properties: { reasonString: reason } })
  return { refused: refusal !== undefined, code: nameCode(refusal, reasonCode, reason) }
}

export const hexCode = (reasonCode: number) => `0x${reasonCode.toString(16).padStart(2, '0')}`

function nameCode(refusal: MusterError | undefined, reasonCode: number, reason: string): string {
  const named = /^([a-z-]+): /.exec(reason)?.[1]
  return isErrorCode(named) ? named : refusal && refusal.code !== 'forbidden' ? refusal.code : hexCode(reasonCode)
}

/** An alert of the broker that names the certificate. */
function isAlertAboutUs(code: string): boolean {
  return /ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/.test(code)
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'internal'
  return 'code' in error && typeof error.code === 'string' ? error.code.toLowerCase() : 'internal'
}
