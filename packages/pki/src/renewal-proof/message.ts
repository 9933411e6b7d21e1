import { hash } from 'node:crypto'

/** What a renewal proof says, beside its signature. */
export interface RenewalClaim {
  /** Of the certificate that is renewed; lower-case hex. */
  serial: string
  /** The new request, DER. */
  csr: Uint8Array
  /** By the device's own clock. */
  at: Date
  /** 16 octets. */
  nonce: Uint8Array
}

/** Nothing else that a device signs begins with the length of this text: neither TLS (both versions) nor a request (DER). */
const context = Buffer.from('muster renewal 1', 'latin1')

/** The octets that are signed: context, serial number, SHA-256 of the request, milliseconds since 1970 (8 octets) and nonce, each after its length (4 octets). */
export function encodeRenewalMessage({ serial, csr, at, nonce }: RenewalClaim): Buffer {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(at.getTime()))
  const fields = [context, Buffer.from(serial, 'hex'), hash('sha256', csr, 'buffer'), time, nonce]
  return Buffer.concat(fields.flatMap((field) => [lengthOf(field), field]))
}

function lengthOf(field: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(field.length)
  return length
}
