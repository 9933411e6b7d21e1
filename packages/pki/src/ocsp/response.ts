import { type CrlReason, reasonCode } from '../crl/reason.ts'
import { oids } from '../der/oids.ts'
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  type Der,
  encodeDer,
  enumerated,
  generalizedTime,
  objectIdentifier,
  octetString,
  sequence,
} from '../der/writer.ts'
import { encodeNonce } from './cert-id.ts'
import type { OcspResponder } from './responder.ts'

export type OcspStatus =
  | { status: 'good' }
  | { status: 'revoked'; at: Date; reason?: CrlReason }
  | { status: 'unknown' }

export type OcspAnswer = OcspStatus & {
  /** CertID (DER), as it was asked for. */
  certId: Uint8Array
  thisUpdate: Date
  nextUpdate?: Date
}

export interface OcspResponseContent {
  answers: readonly OcspAnswer[]
  producedAt: Date
  /** That of the request. */
  nonce?: Uint8Array | undefined
}

const errorCodes = { malformedRequest: 1, internalError: 2, tryLater: 3, unauthorized: 6 } as const

export type OcspError = keyof typeof errorCodes

/** An answer that says only why there is none; not signed (RFC 6960 §2.3). */
export function encodeOcspError(error: OcspError): Buffer {
  return encodeDer(sequence(enumerated(errorCodes[error])))
}

const successful = enumerated(0)

/** A signed OCSPResponse (RFC 6960 §4.2), DER. */
export async function signOcspResponse(responder: OcspResponder, content: OcspResponseContent): Promise<Buffer> {
  const { answers, producedAt, nonce } = content
  if (answers.length === 0) throw new RangeError('an OCSP response answers something')
  const tbs = encodeDer(
    sequence(
      responder.id,
      generalizedTime(producedAt),
      sequence(...answers.map(encodeAnswer)),
      ...(nonce ? [contextConstructed(1, sequence(encodeNonce(nonce)))] : []),
    ),
  )
  const signature = bitString(await responder.sign(tbs))
  const basic = sequence(tbs, responder.algorithm, signature, responder.certificates)
  const bytes = sequence(objectIdentifier(oids.ocspBasic), octetString(basic))
  return encodeDer(sequence(successful, contextConstructed(0, bytes)))
}

function encodeAnswer(answer: OcspAnswer): Der {
  const { certId, thisUpdate, nextUpdate } = answer
  if (nextUpdate && !(nextUpdate > thisUpdate)) throw new RangeError('the next update comes after this one')
  const next = nextUpdate ? [contextConstructed(0, generalizedTime(nextUpdate))] : []
  return sequence(certId, encodeStatus(answer), generalizedTime(thisUpdate), ...next)
}

const nothing = Buffer.alloc(0)

function encodeStatus(status: OcspStatus): Der {
  if (status.status === 'good') return contextPrimitive(0, nothing)
  if (status.status === 'unknown') return contextPrimitive(2, nothing)
  const { at, reason = 'unspecified' } = status
  // As in a CRL: unspecified is said by saying nothing.
  const why = reason === 'unspecified' ? [] : [contextConstructed(0, enumerated(reasonCode(reason)))]
  return contextConstructed(1, generalizedTime(at), ...why)
}
