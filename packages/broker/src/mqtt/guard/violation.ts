import { type ErrorCode, MusterError } from '@muster/contracts'
import { reasonCodes } from '../reason-codes.ts'

/** Codes with a name of their own; everything else is a protocol error. */
const codes: Partial<Record<number, ErrorCode>> = {
  [reasonCodes.malformedPacket]: 'packet-malformed',
  [reasonCodes.packetTooLarge]: 'request-too-large',
  [reasonCodes.unsupportedVersion]: 'request-invalid',
}

/** A packet that breaks the standard: the connection ends, in MQTT 5 with this reason code. [MQTT-4.13.1-1] */
export class Violation extends MusterError {
  readonly reasonCode: number
  /** Of a CONNECT, as far as it could be read. */
  protocolVersion: number | undefined

  constructor(reasonCode: number, detail: string) {
    super(codes[reasonCode] ?? 'protocol-error', detail)
    this.reasonCode = reasonCode
  }
}

/** What came out of decoding; anything but a violation is a defect of the decoder, and ends that connection alone. */
export const readViolation = (error: unknown): Violation =>
  error instanceof Violation ? error : new Violation(0x83, 'the packet could not be read')

export const malformed = (detail: string) => new Violation(reasonCodes.malformedPacket, detail)
export const protocolError = (detail: string) => new Violation(reasonCodes.protocolError, detail)
